"""The views that questions are asked of, as SQL text: ``events``, ``records`` and what narrows them.

Filters and the period are applied here, once, so that every question has them all. No value that a user or an event
gave may become part of the text: such values stand in the table ``filter_values``.
"""
# ruff: noqa: S608 - this module writes SQL from names of the project's own

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kubedossier.analytics.schema import STAGE_RANK
from kubedossier.analytics.vocabulary import TACTICS, techniques

Source = Literal["native", "raw", "all"]
SOURCES: tuple[Source, ...] = ("native", "raw", "all")
NATIVE_PREFIX = "console"
NATIVE = f"starts_with(source_format, '{NATIVE_PREFIX}')"
"""Whether a record is one of the Console's own, as opposed to a raw audit log."""

FILTERS = {
    "clusters": "cluster",
    "accounts": "account",
    "providers": "provider",
    "users": '"user"',
    "namespaces": "namespace",
}
"""Filter by equality -> the column it looks at; ``techniques`` looks into a list and stands apart."""

ADDED_COLUMNS = ("month", "techniques", "technique_source", "tactics", "event_blob")
"""What ``events`` and ``records`` have after the columns of ``EVENT_SCHEMA``, in this order."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the archive a question sees.

    Attributes:
        start, end: half-open, aware UTC; where both are None, all events, also those without a time.
        filters: values by filter, of ``FILTERS`` and ``techniques``; an empty tuple lets all pass.
        source: the Console's own records, raw audit logs, or both.
    """

    start: datetime | None = None
    end: datetime | None = None
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    source: Source = "all"

    def rows(self) -> list[tuple[str, str]]:
        """The filters as rows (filter, value)."""
        return [(name, value) for name, values in self.filters for value in values]


def is_native(source_format: str) -> bool:
    """What ``NATIVE`` says, of one source format."""
    return source_format.startswith(NATIVE_PREFIX)


def records_sql(relations: tuple[str, ...], scope: Scope, asked: Collection[str] = ADDED_COLUMNS) -> str:
    """The view ``records``: all that was archived, also the earlier stages of a request.

    ``asked`` are the words of the SQL that is asked of the view: an added column that none of them names may be
    missing, for a database takes as long to plan it as to read the rest.
    """
    union = "\nunion all\n".join(f"select * from {one}" for one in relations)
    return _narrowed(f"select * from ({union})", scope, asked)


def events_sql(
    complete: str | None, incomplete: str | None, scope: Scope, asked: Collection[str] = ADDED_COLUMNS
) -> str:
    """The view ``events``: records less those that one of a higher stage with the same ``audit_key`` replaces.

    Args:
        complete: relation of the files whose rows nothing can hide.
        incomplete: relation of the other files; None skips the whole question.
        scope: what to let pass, after the stages are settled.
        asked: as of ``records_sql``.
    """
    parts = []
    if complete is not None:
        parts.append(f"select * from {complete}")
    if incomplete is not None:
        ranked = f"select audit_key, max({_rank()}) as top from {{}} where audit_key is not null group by audit_key"
        both = [one for one in (complete, incomplete) if one is not None]
        keys = "\nunion all\n".join(f"select audit_key, stage from {one}" for one in both)
        parts.append(
            f"select shown.* from {incomplete} as shown\n"
            f"where not exists (select 1 from ({ranked.format(f'({keys})')}) as stages\n"
            f"  where stages.audit_key = shown.audit_key and stages.top > {_rank('shown.')})"
        )
    return _narrowed("select * from (" + "\nunion all\n".join(parts) + ")", scope, asked)


def kept(relation: str, retracted: frozenset[str]) -> str:
    """A relation without the rows of retracted snapshots, which a merged file may still hold."""
    if not retracted:
        return relation
    return f"(select * from {relation} where not list_contains({names_of(tuple(sorted(retracted)))}, snapshot))"


def names_of(values: tuple[str, ...]) -> str:
    """Texts of the project's own as a list of SQL strings."""
    return "[" + ", ".join(quoted(value) for value in values) + "]"


def techniques_sql() -> str:
    """The reference table of techniques as a select."""
    rows = ",\n".join(
        f"  ({', '.join(map(quoted, (one.value, one.attack_id, one.attack_name)))}, "
        f"{names_of(one.tactics)}::varchar[], {quoted(one.confidence)}, {quoted(one.note)})"
        for one in techniques().values()
    )
    columns = "value, attack_id, attack_name, tactics, confidence, note"
    return f"select * from (values\n{rows}\n) as known ({columns})"


def literal_path(path: str) -> str:
    """A path as DuckDB takes it literally: it reads ``*``, ``?`` and ``[`` as patterns."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)


def quoted(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _narrowed(base: str, scope: Scope, asked: Collection[str]) -> str:
    conditions = []
    if scope.start is not None:
        conditions.append(f"time >= {_moment(scope.start)}")
    if scope.end is not None:
        conditions.append(f"time < {_moment(scope.end)}")
    if scope.source != "all":
        conditions.append(NATIVE if scope.source == "native" else f"not {NATIVE}")
    for name, values in scope.filters:
        if not values:
            continue
        chosen = f"from filter_values where filter = '{name}'"
        if name == "techniques":
            conditions.append(f"list_has_any(techniques, (select list(value) {chosen}))")
        else:
            conditions.append(f"{FILTERS[name]} in (select value {chosen})")
    where = "\nwhere " + "\n  and ".join(conditions) if conditions else ""
    added = [
        f", {sql} as {name}" for name, sql in (("tactics", _TACTICS), ("event_blob", _EVENT_BLOB)) if name in asked
    ]
    if added or where or not {"techniques", "technique_source"}.isdisjoint(asked):
        base = f"select *, {_TECHNIQUES} from ({base})"
    return f"select *{''.join(added)}\nfrom ({base})" + where


def _moment(moment: datetime) -> str:
    return f"timestamp '{moment.replace(tzinfo=None).isoformat(sep=' ')}'"


def _rank(prefix: str = "") -> str:
    cases = " ".join(f"when '{stage}' then {rank}" for stage, rank in STAGE_RANK.items())
    return f"(case {prefix}stage {cases} else 0 end)"


_TECHNIQUES = """
  case when len(techniques_native) > 0 then techniques_native
       when len(techniques_derived) > 0 then techniques_derived
       else cast([] as varchar[]) end as techniques,
  case when len(techniques_native) > 0 then 'native' when len(techniques_derived) > 0 then 'derived' end
    as technique_source"""


def _tactic(name: str) -> str:
    leading = tuple(one.value for one in techniques().values() if name in one.tactics)
    return f"case when list_has_any(techniques, {names_of(leading)}) then {quoted(name)} end"


# One test a tactic is four times faster than a look-up a technique.
_TACTICS = f"list_filter([{', '.join(map(_tactic, TACTICS))}], lambda tactic: tactic is not null)"

_EVENT_BLOB = f"""
  case when not {NATIVE} then raw when json_valid(raw) then json_extract_string(raw, '$.eventBlob') end"""
