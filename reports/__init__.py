"""Answers on paper: what the archive can show about a period, as a document that auditors accept.

``build`` asks the archive and makes the frozen ``model``; ``render`` sets it as PDF. Nothing here may write to the
archive.
"""
