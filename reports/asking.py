"""What a report asks of the archive, in the order of its evidence marks, and the check that the answers agree.

The archive is asked through its public methods. Before it is, the files that hold the answers are compared with the
digests of the ledger: a number from a damaged file would be worse than no report.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from textwrap import indent
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.answers import Answer
from kubedossier.analytics.catalogue import Query, packaged, parse
from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.figures import MISSING
from kubedossier.analytics.thresholds import BulkSecrets
from kubedossier.reports import request_tables
from kubedossier.reports.actions import Actions
from kubedossier.reports.before import Before
from kubedossier.reports.evidence import Collection, Written, written
from kubedossier.reports.gathering import BY_EVENT, Held, gathered, own_memory, parts_of
from kubedossier.reports.newcomers import Newcomers
from kubedossier.reports.tables import IDENTITIES_SHOWN

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period

_RANKED = ("cluster_ranking", "provider_ranking", "account_ranking")
_OF_THE_RECORD = ("gaps", "grave_changes", "receipts", "windows")
_OF_THEM = re.compile(r"^( *)from (privileged_actions)$", re.MULTILINE)
_OF_ACTIONS = ("privileged_counts", "bulk_readers")
_NEW = ("first_seen_users", "first_seen_ips")
QUERIES = (
    "activity_by_day", "coverage", "coverage_by_cluster", "gaps", "grave_changes", "receipts", "windows",
    "techniques_by_day", "tactics_by_day", "top_users", "user_days", *_RANKED, *_NEW, *BY_EVENT, *_OF_ACTIONS,
)  # fmt: skip
"""Names of all that a report asks: what is new, and what was before, only where the archive has a past."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All answers of a report, and the mark of each by topic.

    Attributes:
        answers: by topic; of those that name events one by one, without their rows.
        marks: the evidence mark of each.
        frames: by topic, what is needed of those rows.
        new: the identities and addresses that are new in the period.
        actions: privileged actions of the period; before: what is compared with them of the one before.
    """

    answers: dict[str, Answer]
    marks: dict[str, str]
    collection: Collection
    frames: dict[str, pl.DataFrame]
    new: Newcomers
    actions: Actions
    before: Before

    def frame(self, topic: str) -> pl.DataFrame:
        """The rows of an answer, or what is needed of them."""
        return self.frames[topic] if topic in self.frames else self.answers[topic].frame

    @property
    def has_past(self) -> bool:
        """Whether the period before was recorded, so that something can be new or have changed."""
        return has_past(self.answers["coverage_before"])


class _Asking:
    """The questions of one report, each kept as evidence under the next mark."""

    def __init__(self, archive: Archive, period: Period) -> None:
        self.archive, self.period = archive, period
        self.collection = Collection()
        self.answers: dict[str, Answer] = {}
        self.marks: dict[str, str] = {}
        self.frames: dict[str, pl.DataFrame] = {}

    def keep(self, topic: str, answer: Answer, about: str = "", rows: Written | None = None) -> None:
        """An answer that is small enough to be held, or one without its ``rows``, which are written down already."""
        self.answers[topic] = answer
        self.marks[topic] = self.collection.add(answer, about=about, rows=rows)

    def keep_some(
        self,
        topic: str,
        name: str,
        held: Callable[[pl.DataFrame], Held],
        like: tuple[str, str],
        about: str = "",
        total: int | None = None,
    ) -> list[Held]:
        """An answer that may be too large; gives what ``held`` keeps of each part.

        ``like`` is a topic with the same period, and its column with the most rows that there can be on a day;
        ``total`` is how many there are in all, where that is known.
        """
        days = self.answers[like[0]]
        parts = parts_of(days.period, days.frame.select("date", like[1]).iter_rows(), total)
        answer, rows, kept = gathered(self.archive, name, parts, days, held)
        self.keep(topic, answer, about, rows)
        self.archive.release()
        return kept

    def keep_new(self) -> Newcomers:
        """Who and what is new."""
        for name in _NEW:
            answer = self.archive.answer(name, period=self.period, limit=0)
            self.keep(name, replace(answer, fetched=answer.fetched.none()), rows=written(answer))
            self.frames[name] = own_memory(answer.frame)
            del answer
            self.archive.release()
        return Newcomers.of(self.frames["first_seen_users"]["user"], self.frames["first_seen_ips"]["source_ip"])

    def keep_before(self, before: Period, bulk: BulkSecrets) -> Before:
        """What the actions of the period before are compared by."""
        like = self.answers["activity_before"].source
        own: dict[str, dict[str, Any]] = {
            "privileged_counts": {},
            "bulk_readers": {"secrets": bulk.secrets, "minutes": bulk.within_minutes},
        }
        for name, values in own.items():
            answer = self.archive.ask(_own_queries()[name], period=before, source=like, limit=0, **values)
            self.keep(name, replace(answer, fetched=answer.fetched.none()), "-before", written(answer))
            self.frames[name] = own_memory(answer.frame)
        counts, readers = (self.frames.pop(name) for name in own)
        return Before.of(counts, readers, bulk.secrets)


def ask(archive: Archive, period: Period, bulk: BulkSecrets | None = None) -> Asked:
    """Ask everything the report needs, of the period and of the one before; ``bulk`` is what many secrets are."""
    import polars as pl

    asking, before = _Asking(archive, period), period.previous()
    keep = asking.keep
    keep("activity", archive.answer("activity_by_day", period=period))
    keep("coverage", archive.answer("coverage", period=period))
    keep("clusters", archive.answer("coverage_by_cluster", period=period))
    for name in _OF_THE_RECORD:
        query = _own_queries()[name]
        keep(name, archive.ask(query, period=period, source="all" if name == "receipts" else None))
    keep("techniques", archive.answer("techniques_by_day", period=period))
    keep("tactics", archive.answer("tactics_by_day", period=period))
    keep("users", archive.answer("top_users", period=period, limit=0))
    keep("user_days", archive.answer("user_days", period=period, limit=IDENTITIES_SHOWN))
    for name in _RANKED:
        keep(name, archive.answer(name, period=period, limit=0))
    coverage_before = archive.answer("coverage", period=before)
    new = asking.keep_new() if has_past(coverage_before) else Newcomers.none()
    acts = asking.keep_some("privileged_actions", "privileged_actions", Actions.from_rows, ("activity", "events"))
    refused = asking.keep_some("denied_requests", "denied_requests", request_tables.held, ("activity", "denied"))
    asking.frames["denied_requests"] = pl.concat(refused)
    # Whoever has no identity has this name, too: where it is rare, the answer is small.
    unnamed = int(asking.answers["users"].frame.filter(pl.col("user") == "system:anonymous")["events"].sum())
    anonymous = asking.keep_some(
        "anonymous_access",
        "anonymous_access",
        request_tables.held_anonymous,
        ("activity", "events"),
        total=unnamed,
    )
    asking.frames["anonymous_access"] = pl.concat(anonymous)
    keep("activity_before", archive.answer("activity_by_day", period=before), "-before")
    keep("coverage_before", coverage_before, "-before")
    keep("users_before", archive.answer("top_users", period=before, limit=0), "-before")
    past = asking.keep_before(before, bulk or BulkSecrets()) if has_past(coverage_before) else Before.none()
    archive.release()
    kept = (asking.answers, asking.marks, asking.collection, asking.frames)
    return Asked(*kept, new, Actions.joined(acts).told(new), past)


def has_past(coverage_before: Answer) -> bool:
    """Whether the period was recorded at all, so that something can be new after it or have changed."""
    return any(state != MISSING for state in coverage_before.frame["state"].to_list())


@cache
def _own_queries() -> dict[str, Query]:
    """The questions that only a report asks; of privileged actions, they read what ``privileged_actions`` answers."""
    rows = packaged()["privileged_actions"].sql.rpartition("\norder by ")[0]
    folder = resources.files("kubedossier.reports").joinpath("queries")
    found = {}
    for file in sorted(one.name for one in folder.iterdir() if one.name.endswith(".sql")):
        text = folder.joinpath(file).read_text("utf-8")
        whole = _OF_THEM.sub(lambda at: f"{at[1]}from (\n{indent(rows, at[1] + '  ')}\n{at[1]}) as {at[2]}", text)
        found[file.removesuffix(".sql")] = parse(whole, file, trusted=True)
    return found


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
