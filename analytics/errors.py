"""Every error a user can meet, and the exit code it carries.

An error says what happened, where, and what to do next. The command line prints it without a traceback
(``cli.diagnostics``); the table of exit codes in the documentation is made from these classes. This module must
import nothing of the project.
"""

from __future__ import annotations

from typing import ClassVar


class KubedossierError(Exception):
    """Something went wrong that a person can act on.

    Args:
        message: what happened, and where.
        hint: what to do next; may be empty where there is nothing to do.
    """

    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(KubedossierError):
    """The command, an option, a parameter or the configuration is wrong."""

    exit_code = 2
    meaning = "usage: a command, an option or the configuration is wrong"


class FindingsError(KubedossierError):
    """The work was done, and what it found is above the threshold the user gave, or a check failed."""

    exit_code = 3
    meaning = "findings above the threshold of --fail-on, or a check of doctor that failed"


class IncompleteError(KubedossierError):
    """Everything that arrived is kept, and a gap or rejects are recorded."""

    exit_code = 4
    meaning = "incomplete: all that arrived is kept, a gap or rejects are recorded"


class IntegrityError(KubedossierError):
    """The archive, a bundle or a report is not what its evidence says."""

    exit_code = 5
    meaning = "integrity failure"


class SourceError(KubedossierError):
    """The Console did not answer, or did not answer as a Console."""

    exit_code = 6
    meaning = "the source (the Console) failed"


class StorageError(KubedossierError):
    """The disk or the object store failed; the archive is as it was before."""

    exit_code = 7
    meaning = "the storage failed"


class BusyError(KubedossierError):
    """Another writer holds the archive."""

    exit_code = 8
    meaning = "busy: another writer holds the archive"


INTERRUPTED_EXIT_CODE = 130
EXIT_CODES: dict[int, str] = {
    0: "ok",
    **{
        cls.exit_code: cls.meaning
        for cls in (
            KubedossierError,
            UsageError,
            FindingsError,
            IncompleteError,
            IntegrityError,
            SourceError,
            StorageError,
            BusyError,
        )
    },
    INTERRUPTED_EXIT_CODE: "interrupted",
}
