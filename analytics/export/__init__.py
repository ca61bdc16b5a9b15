"""What the archive hands to other tools: a layer for ATT&CK Navigator, OCSF events, a script for DuckDB.

The archive is asked through its public methods. Nothing here writes files or prints.
"""
