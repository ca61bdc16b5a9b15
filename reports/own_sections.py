"""Sections of a user's own: a template and queries in a folder become a section, without touching the package.

``NAME.html.j2`` is the section NAME. It begins with a comment that gives its title and the queries it wants: those of
``.sql`` files beside it, of the folder of the user's queries, or of the package. Queries of the user run locked down,
as everywhere; each answer gets an evidence mark, its SQL in the annex and its rows in the attachments, as all do. A
mistake names the file and the line, before anything is asked.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.catalogue import Query
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.library import library
from kubedossier.analytics.there import is_file
from kubedossier.reports.composing import check
from kubedossier.reports.evidence import Collection, written
from kubedossier.reports.gathering import BY_EVENT, gathered, parts_of
from kubedossier.reports.model import OwnAnswer, OwnColumn, OwnSection, OwnSource, Section
from kubedossier.reports.own_templates import GIVEN
from kubedossier.reports.sections import SECTIONS
from kubedossier.reports.text import plain

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.answers import Answer
    from kubedossier.analytics.archive import Archive

SUFFIX = ".html.j2"
ROWS_GIVEN = 2_000
"""Rows of one answer that a template gets; a table takes its first ones, and the attached data has them all."""
QUERY_SECONDS = 120.0
"""What one question of a section may take: far more than any of the report's own needs for a month."""
LONGEST_TITLE = 60
LONGEST_TEMPLATE = 200_000
"""Bytes of a template's file."""
_SLOW = "Ask for a shorter period, or leave the question out of the section."
_KEYS = ("title", "queries")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HEADER = re.compile(r"\{#-?(.*?)-?#\}", re.DOTALL)
_TAKEN = re.compile(r"e\d+|contents")


def read_sections(
    folder: Path | None, names: Iterable[str], queries: str | Path | None = None
) -> tuple[OwnSource, ...]:
    """The sections of these names, in their order, each once; words may hold several with commas between.

    Args:
        folder: of the user's sections; None has none.
        names: of sections.
        queries: the folder of the user's own queries.

    Raises:
        UsageError: there is no such section, or a file is wrong; names the file and the line.
    """
    wanted = tuple(dict.fromkeys(word.strip() for name in names for word in name.split(",") if word.strip()))
    if not wanted:
        return ()
    if folder is None:
        raise UsageError(
            f"There is no section '{wanted[0]}'", hint='Name the folder of your sections: sections = "my-sections".'
        )
    known = _known(folder, queries)
    return tuple(_read(folder, name, known) for name in wanted)


def ask_own(
    archive: Archive, sources: Iterable[OwnSource], sections: Iterable[Section], collection: Collection, days: Answer
) -> tuple[OwnSection, ...]:
    """Ask what users' sections want to know; ``sections`` has the place of each in the report.

    Args:
        archive: the archive.
        sources: of the sections.
        sections: of the report.
        collection: takes the answers.
        days: the answer to ``activity_by_day`` about the period of the report.

    Raises:
        UsageError: a query cannot run, takes too long, or does not give what its header declares; names the file.
    """
    places = {one.id: one for one in sections}
    return tuple(
        OwnSection(
            places[source.name],
            source.place,
            source.template,
            tuple(_asked(archive, source, query, collection, days) for query in source.queries),
        )
        for source in sources
    )


def _asked(archive: Archive, source: OwnSource, query: Query, collection: Collection, days: Answer) -> OwnAnswer:
    """The answer to one question of a section; of one that names events one by one, no more is held than it gets."""
    columns = tuple(OwnColumn(one.name, one.type, one.unit) for one in query.columns)
    first: list[tuple[object, ...]] = []

    def take(rows: pl.DataFrame) -> None:
        first.extend(tuple(map(_frozen, row)) for row in rows.head(ROWS_GIVEN - len(first)).iter_rows())

    try:
        if query.trusted and query.name in BY_EVENT:
            parts = parts_of(days.period, days.frame.select("date", "events").iter_rows())
            answer, rows, _ = gathered(archive, query.name, parts, days, take, seconds=QUERY_SECONDS)
        else:
            answer = archive.ask(query, period=days.period, limit=0, seconds=QUERY_SECONDS)
            rows = written(answer)
            take(answer.frame)
    except UsageError as error:
        if not query.trusted:
            raise
        raise UsageError(f"{source.place}, question '{query.name}': {error.message}", hint=_SLOW) from error
    finally:
        archive.release()
    return OwnAnswer(query.name, query.title, collection.add(answer, rows=rows), columns, tuple(first), rows.rows)


def _frozen(value: Any) -> object:
    return tuple(value) if isinstance(value, list) else value


def _known(folder: Path, queries: str | Path | None) -> Mapping[str, Query]:
    """All queries a section may want, by name: those beside it, those of the user's folder, those of the package."""
    beside = library(folder)
    others = library(queries if queries and Path(queries).resolve() != folder.resolve() else None)
    for name, query in beside.items():
        if not query.trusted and name in others:
            what = f"'{others[name].place}' has the same name"
            raise UsageError(f"{query.place}, line 1: {what}", hint="Give one of them another name.")
    return {**others, **beside}


def _read(folder: Path, name: str, known: Mapping[str, Query]) -> OwnSource:
    path = folder / f"{name}{SUFFIX}"
    if not _NAME.fullmatch(name) or not is_file(path):
        there = sorted(one.name.removesuffix(SUFFIX) for one in folder.glob(f"*{SUFFIX}"))
        near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(there)}." if there else ""
        raise UsageError(f"There is no section '{name}' in '{folder}'", hint=hint)
    if name in {one.id for one in SECTIONS} or _TAKEN.fullmatch(name):
        raise _wrong(path, 1, f"'{name}' is the name of a part of every report")
    text = _text(path)
    title, wanted = _header(path, text, name)
    queries = tuple(_query(path, line, one, known) for line, one in wanted)
    source = OwnSource(name, title, str(path), text, queries)
    check(source)
    return source


def _text(path: Path) -> str:
    """What the template's file holds."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_TEMPLATE + 1)
        if len(data) > LONGEST_TEMPLATE:
            raise UsageError(
                f"The section '{path}' is longer than {LONGEST_TEMPLATE:,} bytes",
                hint="A template says how rows are shown; what is shown comes from its queries.",
            )
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read the section '{path}': {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The section '{path}' is not UTF-8 text") from error


def _header(path: Path, text: str, name: str) -> tuple[str, list[tuple[int, str]]]:
    """Title, and the wanted queries with the line that names them."""
    match = _HEADER.match(text)
    if not match:
        raise _wrong(path, 1, "a section begins with {# title: ... #}")
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(match[1].split("\n"), 1):
        if not line.strip():
            continue
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            raise _wrong(path, number, f"unknown '{key}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        found[key] = (number, value)
    line, title = found.get("title", (1, ""))
    if not title or len(title) > LONGEST_TITLE:
        raise _wrong(path, line, f"a section has a title of at most {LONGEST_TITLE} characters")
    at, listed = found.get("queries", (1, name))
    names = list(dict.fromkeys(word.strip() for word in listed.split(",") if word.strip()))
    return plain(title), [(at, one) for one in names]


def _query(path: Path, line: int, name: str, known: Mapping[str, Query]) -> Query:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else f"Put {name}.sql beside it, or name others in 'queries:'."
        raise _wrong(path, line, f"there is no query '{name}'", hint)
    if name in GIVEN:
        raise _wrong(path, line, f"'{name}' means something else in a section", "Give the query another name.")
    for one in known[name].parameters:
        if one.required:
            raise _wrong(path, line, f"the query '{name}' needs '{one.name}', which a report cannot know")
    return known[name]


def _wrong(path: Path, line: int, what: str, hint: str = "") -> UsageError:
    return UsageError(f"{path}, line {line}: {what}", hint=hint)
