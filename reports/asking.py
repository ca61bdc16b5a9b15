"""What a report asks of the archive, in the order of its evidence marks, and the check that the answers agree.

The archive is asked through its public methods. Before it is, the files that hold the answers are compared with the
digests of the ledger: a number from a damaged file would be worse than no report.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from kubedossier.analytics.catalogue import Query, load
from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.reports.evidence import Answer, Collection
from kubedossier.reports.tables import IDENTITIES_SHOWN

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period


_WHOLE = (
    "cluster_ranking", "provider_ranking", "account_ranking", "first_seen_users", "first_seen_ips",
    "privileged_actions", "denied_requests", "anonymous_access",
)  # fmt: skip
QUERIES = (
    "activity_by_day", "coverage", "coverage_by_cluster", "gaps", "grave_changes", "receipts", "windows",
    "techniques_by_day", "tactics_by_day", "top_users", "user_days", *_WHOLE,
)  # fmt: skip
"""Names of all that every report asks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All answers of a report, and the mark of each by topic."""

    answers: dict[str, Answer]
    marks: dict[str, str]
    collection: Collection

    def frame(self, topic: str) -> pl.DataFrame:
        """The rows of an answer."""
        return self.answers[topic].frame


def ask(archive: Archive, period: Period) -> Asked:
    """Ask everything the report needs, of the period and of the one before."""
    collection = Collection()
    answers: dict[str, Answer] = {}
    marks: dict[str, str] = {}

    def keep(topic: str, answer: Answer, about: str = "") -> None:
        answers[topic] = answer
        marks[topic] = collection.add(answer, about=about)

    before = period.previous()
    keep("activity", archive.answer("activity_by_day", period=period))
    keep("coverage", archive.answer("coverage", period=period))
    keep("clusters", archive.answer("coverage_by_cluster", period=period))
    for name, query in _own_queries().items():
        keep(name, archive.ask(query, period=period, source="all" if name == "receipts" else None))
    keep("techniques", archive.answer("techniques_by_day", period=period))
    keep("tactics", archive.answer("tactics_by_day", period=period))
    keep("users", archive.answer("top_users", period=period, limit=0))
    keep("user_days", archive.answer("user_days", period=period, limit=IDENTITIES_SHOWN))
    for name in _WHOLE:
        keep(name, archive.answer(name, period=period, limit=0))
    keep("activity_before", archive.answer("activity_by_day", period=before), "-before")
    keep("coverage_before", archive.answer("coverage", period=before), "-before")
    keep("users_before", archive.answer("top_users", period=before, limit=0), "-before")
    keep("privileged_before", archive.answer("privileged_actions", period=before, limit=0), "-before")
    return Asked(answers, marks, collection)


@cache
def _own_queries() -> dict[str, Query]:
    """The questions that only a report asks, of the ledger's own counts."""
    return load(resources.files("kubedossier.reports").joinpath("queries"), trusted=True)


def agreed_total(asked: Asked) -> int:
    """The number of events, once all answers that count all of them agree on it.

    Raises:
        IntegrityError: two answers disagree.
    """
    topics = ("activity", "coverage", "clusters", "users", "cluster_ranking", "provider_ranking", "account_ranking")
    totals = {topic: int(asked.frame(topic)["events"].sum()) for topic in topics}
    if len(set(totals.values())) > 1:
        shown = ", ".join(f"{asked.answers[topic].name} {total:,}" for topic, total in totals.items())
        raise IntegrityError(
            f"The answers disagree on the number of events: {shown}",
            hint="No report is made of numbers that contradict each other; run 'kubedossier verify'.",
        )
    return totals["activity"]


def intact_files(archive: Archive, period: Period) -> int:
    """Compare every file that holds events of the period or the one before with its SHA-256 in the ledger.

    Returns:
        How many files were compared.

    Raises:
        IntegrityError: a file is not what the ledger says, or is gone.
        StorageError: a file cannot be read.
    """
    files = [one for one in archive.ledger.live() if _touches(one.min_time, one.max_time, period)]
    for one in files:
        try:
            with (archive.path / one.path).open("rb") as handle:
                found = hashlib.file_digest(handle, "sha256").hexdigest()
        except FileNotFoundError:
            found = "nothing"
        except OSError as error:
            raise StorageError(f"Cannot read '{one.path}' of the archive: {error.strerror}") from error
        if found != one.sha256:
            raise IntegrityError(
                f"'{one.path}' is not what the ledger says: expected SHA-256 {one.sha256}, found {found}",
                hint="No report is made of damaged evidence; 'kubedossier verify' lists all of it.",
            )
    return len(files)


def _touches(first: datetime | None, last: datetime | None, period: Period) -> bool:
    if first is None or last is None:
        return False
    return first < period.end and last >= period.previous().start
