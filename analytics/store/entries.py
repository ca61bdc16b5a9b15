"""What an entry of the ledger must hold before anything in it is used.

An entry is JSON that somebody may have edited. Whoever reads the ledger relies on the types that are declared here, so
that an altered entry is a finding and never a crash. What is not declared here is kept as it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from kubedossier.analytics.schema import FORMAT_VERSION

TIME_FORM = "YYYY-MM-DDTHH:MM:SS.ffffffZ"
_HALF = rb"\ud"
_TIME_LENGTH = len("2026-10-01T00:00:00.000000Z")

_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
_Uuid = Annotated[str, Meta(pattern=_UUID)]
# Below the archive, and never among its ledger or what is under way.
_Path = Annotated[str, Meta(pattern=r"^(?!ledger/|tmp/)[A-Za-z0-9_][A-Za-z0-9._=-]*(/[A-Za-z0-9_][A-Za-z0-9._=-]*)+\Z")]
_Month = Annotated[str, Meta(pattern=r"^([0-9]{4}-(0[1-9]|1[0-2])|undated|)\Z")]


class _Moment:
    """A time of the ledger, in a declaration."""


_SOME = _Moment()


class _Digest(Struct):
    n: _Count
    digest: _Hash


class _Range(Struct):
    start: _Moment = field(name="from")
    end: _Moment = field(name="to")


class _Gap(_Range):
    reason: str


class _Window(_Range, kw_only=True):
    total_before: _Count | None = None
    total_after: _Count | None = None
    received: _Count | None = None
    stable: bool | None = None


class _File(Struct):
    path: _Path
    role: str
    month: _Month
    sha256: _Hash
    bytes: _Count
    rows: _Count
    min_time: _Moment | None
    max_time: _Moment | None
    incomplete: _Count


class _Files(Struct, frozen=True):
    add: tuple[_File, ...] = ()
    remove: tuple[_Path, ...] = ()


class _SourceFile(Struct):
    name: str


class _Source(Struct, frozen=True):
    files: tuple[_SourceFile, ...] = ()


class _Entry(Struct):
    type: Annotated[str, Meta(min_length=1)]
    id: Annotated[str, Meta(min_length=1)]
    at: _Moment
    actor: str | None = None
    host: str | None = None
    tool: str | None = None
    run: str | None = None
    source: _Source = _Source()
    files: _Files = _Files()
    added: dict[_Month, _Digest] = {}
    observed: dict[_Month, _Digest] = {}
    rejected: _Digest | None = None
    digests: dict[str, dict[_Month, _Digest]] = {}
    counts: dict[str, _Count] = {}
    drift: dict[str, _Count] = {}
    formats: dict[str, _Count] = {}
    skipped: dict[str, _Count] = {}
    filtered: bool | None = None
    console: str | None = None
    console_total: _Count | None = None
    console_oldest: _Moment | None = None
    windows: tuple[_Window, ...] = ()
    collected: tuple[_Range, ...] = ()
    gaps: tuple[_Gap, ...] = ()
    deletes: tuple[_Path, ...] = ()
    covers: tuple[_Path, ...] = ()


class _Genesis(_Entry, kw_only=True):
    archive_id: _Uuid


class _Retraction(_Entry, kw_only=True):
    retracts: str
    reason: str


_OF_TYPE: dict[object, type[_Entry]] = {"genesis": _Genesis, "retract": _Retraction}


def read_time(text: str) -> datetime:
    """A moment of the ledger as aware UTC.

    Raises:
        ValueError: it is not written as the ledger writes it.
    """
    if len(text) != _TIME_LENGTH or not text.endswith("Z") or text[10] != "T":
        raise ValueError(f"Expected {TIME_FORM}, got {text!r}")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)


def is_archive_id(value: object) -> bool:
    """Whether a genesis may hold it; it names the witness file, so nothing else ever becomes a path."""
    return isinstance(value, str) and re.match(_UUID, value) is not None


def parse_object(line: bytes) -> dict[str, Any] | None:
    """The JSON object that somebody may have written there; None where it is something else."""
    try:
        found = json.loads(line)
        whole = whole_text(found) if _HALF in line.lower() else found
    except (ValueError, RecursionError):
        return None
    return whole if isinstance(whole, dict) else None


def whole_text(value: Any) -> Any:
    """The value with a backslash and digits for each lone surrogate: no table and no page could hold that."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {whole_text(key): whole_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [whole_text(inner) for inner in value]
    return value


def problem_of(entry: dict[str, Any]) -> str:
    """What is wrong with an entry's parts, and where; empty where they are as the format has them."""
    if entry.get("seq") == 1 and entry.get("type") != "genesis":
        return "Expected the genesis entry - at `$.type`"
    try:
        msgspec.convert(entry, _OF_TYPE.get(_hashable(entry.get("type")), _Entry), dec_hook=_read_moment)
    except (msgspec.ValidationError, RecursionError) as error:
        return str(error)
    return ""


def read_entry(line: bytes) -> tuple[dict[str, Any] | None, tuple[str, str]]:
    """An entry that may be relied on, or None with what was expected and what was found instead."""
    entry = parse_object(line)
    if entry is not None and (key := _doubled(line)):
        return None, ("each key once", f"two of {key!r}")
    if entry is None or line.count(b"\n") != 1 or not line.endswith(b"\n"):
        return None, ("one line of JSON", repr(line[:40]))
    if entry.get("format") != FORMAT_VERSION:
        found = f"format {entry.get('format')!r}: altered, or written by a newer kubedossier"
        return None, (f"format {FORMAT_VERSION}", found)
    if problem := problem_of(entry):
        return None, (f"an entry of format {FORMAT_VERSION}", problem)
    return entry, ("", "")


def _doubled(line: bytes) -> str:
    """A key that stands twice in one object, which one reader would take from the first and another from the last."""
    found: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        found.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)

    json.loads(line, object_pairs_hook=note)
    return min(found, default="")


def _hashable(value: object) -> object:
    return value if isinstance(value, str) else None


def _read_moment(kind: type, value: object) -> object:
    if kind is not _Moment or not isinstance(value, str):
        raise ValueError(f"Expected {TIME_FORM}, got {value!r}")
    read_time(value)
    return _SOME
