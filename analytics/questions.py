"""What a question may be given, and how that becomes a scope, a range of files and bound parameters.

Values stay values: nothing here writes SQL.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypedDict

from kubedossier.analytics.catalogue import Query, bare
from kubedossier.analytics.coverage import naive
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.periods import Period
from kubedossier.analytics.views import FILTERS, SOURCES, Scope, Source

_OF_RULES = re.compile(r"\b(?:techniques|techniques_derived|technique_source|tactics)\b")
Moment = str | date | datetime


class Narrowing(TypedDict, total=False):
    """What narrows a question; every part may be left out.

    Attributes:
        period: as people write it (``2026-10``, ``last-month``) or a ``Period``; None is the whole archive.
        start: first moment, UTC when it has no zone; not together with ``period``.
        end: first moment after; not together with ``period``.
        clusters, accounts, providers, users, namespaces, techniques: exact values, any of which an event must have.
        source: ``native`` (the Console's records), ``raw`` (audit logs) or ``all``; None is the only kind that the
            period holds, and native where it holds both.
    """

    period: str | Period | None
    start: Moment | None
    end: Moment | None
    clusters: Sequence[str]
    accounts: Sequence[str]
    providers: Sequence[str]
    users: Sequence[str]
    namespaces: Sequence[str]
    techniques: Sequence[str]
    source: str | None


_MOST_ROWS = 2**63 - 1


def parted(asked: Mapping[str, Any]) -> tuple[Narrowing, dict[str, Any]]:
    """Tell what narrows a question from the query's own parameters."""
    narrowing = {name: value for name, value in asked.items() if name in Narrowing.__annotations__}
    own = {name: value for name, value in asked.items() if name not in narrowing}
    return narrowing, own  # type: ignore[return-value]


def filters_of(narrowing: Narrowing) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The filters that were given, by name.

    Raises:
        UsageError: a filter is a text and not a list of them.
    """
    found = []
    given: Mapping[str, Any] = narrowing
    for name in (*FILTERS, "techniques"):
        values = given.get(name) or ()
        if isinstance(values, str):
            raise UsageError(
                f"'{name}' is a list of values, not the text '{values}'", hint=f"Write {name}=['{values}']."
            )
        if values:
            found.append((name, tuple(values)))
    return tuple(found)


def source_of(source: str | None, kinds: frozenset[str]) -> Source:
    """The kind of records to look at: as asked, or the only kind there is, and native where there are both.

    Raises:
        UsageError: it is none of ``SOURCES``.
    """
    if source is None:
        return "raw" if kinds == {"raw"} else "native"
    for known in SOURCES:
        if source == known:
            return known
    raise UsageError(f"'{source}' is not a source", hint=f"Sources are {', '.join(SOURCES)}.")


def is_about_techniques(sql: str) -> bool:
    """Whether an answer depends on the technique rules that judged raw audit logs."""
    return _OF_RULES.search(bare(sql)) is not None


def range_read(query: Query, period: Period) -> Scope:
    """The range of time whose files a query needs."""
    if query.reads == "period":
        return Scope(period.start, period.end)
    if query.reads == "period+previous":
        return Scope(period.previous().start, period.end)
    return Scope(None, period.end)


def bound(query: Query, period: Period, limit: int | None, own: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a query with their values; timestamps are UTC without a zone.

    Raises:
        UsageError: one is unknown, missing, or not of its type.
    """
    given: dict[str, Any] = {
        "period_start": naive(period.start),
        "period_end": naive(period.end),
        "previous_start": naive(period.previous().start),
    }
    own = dict(own)
    if limit is not None:
        if limit < 0:
            raise UsageError(f"A limit is not negative, as {limit} is", hint="0 is all rows.")
        if limit > _MOST_ROWS:
            raise UsageError(f"A limit is not as large as {limit}", hint="0 is all rows.")
        own |= {"limit": limit or None} if any(one.name == "limit" for one in query.parameters) else {}
    known = {one.name: one for one in query.parameters if one.name not in given}
    for name in own:
        if name not in known:
            raise UsageError(f"The query '{query.name}' has no parameter '{name}'", hint=_takes(name, list(known)))
    for name, one in known.items():
        if one.required and name not in own:
            raise UsageError(f"The query '{query.name}' needs '{name}': {one.text}", hint=f"Add -p {name}=VALUE.")
    values = given | {name: own.get(name, one.default) for name, one in known.items()}
    return {one.name: values[one.name] for one in query.parameters}


def _takes(name: str, own: list[str]) -> str:
    near = difflib.get_close_matches(name, [*own, *Narrowing.__annotations__], n=1)
    takes = f"It takes {', '.join(own)}." if own else "It takes none of its own."
    return f"Did you mean '{near[0]}'?" if near else takes


def moment(value: Moment) -> datetime:
    """A moment as aware UTC.

    Raises:
        UsageError: the text is none.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise UsageError(f"'{value}' is not a moment", hint="Write 2026-10-01 or 2026-10-01T08:30:00Z.") from None
    if isinstance(value, datetime):
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            raise UsageError(f"'{value}' is out of the range of moments in UTC") from None
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def between(start: datetime, end: datetime) -> Period:
    """A period from moment to moment, named by its first and last day."""
    last = max(start, end - timedelta(microseconds=1))
    return Period(start, end, f"{start:%Y-%m-%d}..{last:%Y-%m-%d}")


def midnight(moment: datetime) -> datetime:
    """The start of a moment's day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
