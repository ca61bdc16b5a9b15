"""Fills the templates of users' sections, in a sandbox: the other module that knows the template engine.

A template sees the period, the organisation and the answers it asked for, as values that nothing can change, and a
few functions to set them. Whatever it prints is escaped, and text of events is made visible, by whichever way it comes;
there is no way to switch that off. Its markup is checked before anything is asked and again when it is filled.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from markupsafe import Markup, escape

from kubedossier.analytics.errors import UsageError
from kubedossier.reports import numbers, text
from kubedossier.reports.model import Cover, OwnAnswer, OwnSection, OwnSource
from kubedossier.reports.own_markup import BLOCK, VALUE, MarkupError
from kubedossier.reports.own_markup import check as check_markup
from kubedossier.reports.own_tables import own_table

FILTERS = (
    "abs", "batch", "capitalize", "default", "first", "float", "groupby", "int", "items", "join", "last", "length",
    "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select",
    "selectattr", "slice", "sort", "sum", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip
"""What of the engine's filters a template may use: none that makes markup, chance or a way out."""
GIVEN = ("period", "organisation", "table", "mark")
LONGEST = 400_000
"""Characters of a filled section."""


class Audited(str):
    """A string of an answer: set in the typeface of audited values, its characters made visible."""

    __slots__ = ()

    def __html__(self) -> Markup:
        return text.markup(str(self))


class Row:
    """A row of an answer: ``row.user`` or ``row["user"]``."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> object:
        if name not in self._values:
            near = difflib.get_close_matches(str(name), self._values, n=1)
            raise ValueError(f"there is no column '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        return self._values[name]


class Answer:
    """An answer as a template sees it: ``title``, ``total``, ``rows``."""

    __slots__ = ("_held", "title", "total")

    def __init__(self, held: OwnAnswer) -> None:
        self._held = held
        self.title = held.title
        self.total = held.total

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows; an answer with more than a template gets has none to give, for a part would be taken for all."""
        held = self._held
        if held.total > len(held.rows):
            raise TypeError(
                f"'{held.name}' has {held.total:,} rows, and a template gets at most {len(held.rows):,}: "
                "let the SQL count, or write table()"
            )
        names = [one.name for one in held.columns]
        return tuple(Row(dict(zip(names, map(_given, row), strict=True))) for row in held.rows)


@dataclass(frozen=True, slots=True)
class Span:
    """The period as a template sees it; ``start`` and ``end`` are UTC, and the end no longer belongs to it."""

    title: str
    label: str
    start: datetime
    end: datetime


def check(source: OwnSource) -> None:
    """Find the mistakes of a template without filling it.

    Raises:
        UsageError: it does not parse, uses a name, a filter or a tag that is not there, or leaves an answer without
            its evidence mark; names the file and the line.
    """
    import jinja2
    from jinja2 import meta, nodes

    environment = _environment()
    try:
        tree = environment.parse(source.template)
        environment.compile(source.template)
        check_markup(_skeleton(environment, source.template))
    except jinja2.TemplateSyntaxError as error:
        raise _wrong(source.place, error.lineno, error.message or "does not parse") from error
    except MarkupError as error:
        raise _wrong(source.place, error.line, str(error)) from error
    for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends):
        for node in tree.find_all(kind):
            raise _wrong(source.place, node.lineno, "a section stands alone and takes in no other file")
    for block in tree.find_all(nodes.FilterBlock):
        raise _wrong(source.place, block.lineno, "a filter stands at a value, as in {{ value|upper }}")
    known = [*GIVEN, *(one.name for one in source.queries)]
    for name in sorted(meta.find_undeclared_variables(tree) - {*known, *environment.globals}):
        line = min(node.lineno for node in tree.find_all(nodes.Name) if node.name == name)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else f"A section knows {', '.join(known)}."
        raise _wrong(source.place, line, f"'{name}' is not known here", hint)
    _demand_marks(tree, source)


def written(own: OwnSection, pieces: Any, cover: Cover) -> Markup:
    """A section filled with its answers; ``pieces`` are the macros of the document it goes into.

    Raises:
        UsageError: the template fails; names the file and the line.
    """
    import jinja2

    made: list[int] = []

    def table(answer: Answer, **how: Any) -> Markup:
        made.append(1)
        return Markup(pieces.table(own_table(_held(answer), f"{own.section.id}-{len(made)}", **how)))  # noqa: S704

    def mark(answer: Answer) -> Markup:
        return Markup(pieces.mark(_held(answer).mark))  # noqa: S704 - the package's own macro

    given: dict[str, Any] = {one.name: Answer(one) for one in own.answers}
    given |= {
        "period": Span(cover.period, cover.period_label, cover.start, cover.end),
        "organisation": cover.organisation,
        "table": table,
        "mark": mark,
    }
    environment = _environment()
    try:
        code = environment.compile(own.template, own.place, own.place)
        filled = _joined(jinja2.Template.from_code(environment, code, dict(environment.globals)).generate(given))
        check_markup(filled, given=True)
    except (MemoryError, RecursionError):
        raise
    except MarkupError as error:
        raise UsageError(f"{own.place}: what the template makes is no section: {error}") from error
    except Exception as error:  # a user's template may fail in any way
        raise _wrong(own.place, _line(error, own.place), str(error) or type(error).__name__) from error
    return Markup(text.visible(filled))  # noqa: S704 - escaped, checked, and every character seen


def _joined(parts: Iterator[str]) -> str:
    held, size = [], 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size > LONGEST:
            raise ValueError(f"the section is longer than {LONGEST:,} characters; print a table with fewer rows")
    return "".join(held)


def _held(answer: Answer) -> OwnAnswer:
    if not isinstance(answer, Answer):
        raise TypeError("table() and mark() take an answer by its name, such as the name of the query")
    return answer._held


@cache
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.filters |= {
        "count": numbers.count,
        "percent": numbers.percent,
        "day": numbers.day,
        "moment": numbers.moment,
    }
    environment.globals = {"range": environment.globals["range"]}
    return environment


def _shown(value: Any) -> Any:
    """A value as the page shows it: the engine calls it for all that a template prints."""
    from jinja2 import Undefined

    if isinstance(value, Markup | Undefined):
        return value
    if isinstance(value, Audited):
        return value.__html__()
    if isinstance(value, str):
        return escape(text.plain(value, limit=LONGEST))
    if isinstance(value, list | tuple):
        return Markup(", ").join(_shown(one) for one in value)
    maker = next((make for kind, make in _MAKERS if isinstance(value, kind)), None)
    if maker is None:
        raise TypeError("this is no value to print; name a column of a row, or write table()")
    return maker(value)


_MAKERS: tuple[tuple[type[Any], Callable[[Any], Any]], ...] = (
    (type(None), lambda _: Markup('<span class="none">none</span>')),
    (bool, lambda value: "yes" if value else "no"),
    (int, numbers.count),
    (float, lambda value: f"{value:,.2f}".rstrip("0").rstrip(".")),
    (datetime, lambda value: f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
    (date, lambda value: value.isoformat()),
)


def _given(value: object) -> object:
    if isinstance(value, str):
        return Audited(value)
    return tuple(_given(one) for one in value) if isinstance(value, tuple) else value


def _skeleton(environment: Any, template: str) -> str:
    """The markup of a template on its own lines, with a sign where a value or a statement stands."""
    parts, line = [], 1
    signs = {"variable_begin": VALUE, "block_begin": BLOCK, "raw_begin": BLOCK, "raw_end": BLOCK}
    for number, kind, value in environment.lex(template):
        if kind == "data" or kind in signs:
            piece = signs.get(kind, value)
            parts.append("\n" * max(0, number - line) + piece)
            line = max(line, number) + piece.count("\n")
    return "".join(parts)


def _demand_marks(tree: Any, source: OwnSource) -> None:
    """Each answer that is shown carries its evidence mark somewhere in the section."""
    from jinja2 import nodes

    marked = {
        argument.name
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in ("table", "mark")
        for argument in call.args
        if isinstance(argument, nodes.Name)
    }
    for query in source.queries:
        lines = [node.lineno for node in tree.find_all(nodes.Name) if node.name == query.name]
        if query.name not in marked:
            what = "has no evidence mark" if lines else "is asked and not shown"
            hint = f"Write {{{{ mark({query.name}) }}}} beside its numbers, or {{{{ table({query.name}) }}}}."
            raise _wrong(source.place, min(lines, default=1), f"'{query.name}' {what}", hint)


def _line(error: Exception, place: str) -> int:
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
    return next((line for line in reversed(frames) if line), 1)


def _wrong(place: str, line: int, what: str, hint: str = "") -> UsageError:
    return UsageError(f"{place}, line {line}: {what}", hint=hint)
