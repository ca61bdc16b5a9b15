"""Answers on paper: what the archive can show about a period, as a document that auditors accept.

``build`` asks the archive and makes the frozen ``model``; ``press`` has it set as PDF by a child process, in which
``render`` works. Nothing here may write to the archive.
"""
