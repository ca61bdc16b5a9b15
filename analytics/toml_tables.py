"""Tables of a TOML file as dataclasses: the fields say which keys there are, and every mistake names its line.

Used for the configuration and for the control catalogues that users keep. A misspelt key must never be passed over in
silence, and a value is never bent into the type that was meant.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.toml_lines import key_lines

Row = TypeVar("Row")
Where = tuple[str, ...]
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "text"),
    "Path": ((str,), "a path"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
}


def parsed(path: Path, name: str) -> tuple[dict[str, Any], str]:
    """What a TOML file holds, and its text; ``name`` is what an error calls it.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"Cannot read {name} '{path}': {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name[:1].upper()}{name[1:]} '{path}' is not UTF-8 text") from error
    return parsed_text(text, path, name), text


def parsed_text(text: str, place: str | Path, name: str) -> dict[str, Any]:
    """What a text holds; ``name`` is what an error calls it.

    Raises:
        UsageError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name[:1].upper()}{name[1:]} '{place}' is no TOML: {error}") from error


class Tables:
    """Reads tables of one file; knows the file, so that every error can name its line.

    Args:
        place: the file, as an error names it.
        text: its text.
        nested: dataclasses of tables inside lists.
    """

    def __init__(self, place: str | Path, text: str, nested: Iterable[type[Any]] = ()) -> None:
        self.place = place
        self.lines = key_lines(text)
        self._nested = {f"tuple[{one.__name__}, ...]": one for one in nested}

    def row(self, cls: type[Row], table: Any, where: Where, **given: Any) -> Row:
        """One dataclass from one table; the dataclass's own fields say which keys and types it may have."""
        columns: tuple[Any, ...] = fields(cls)  # type: ignore[arg-type]
        kinds = {each.name: str(each.type) for each in columns if each.name not in given}
        table = self.table(table, where)
        self.known(table, kinds, where)
        values: dict[str, Any] = {key: self.value(kinds[key], value, (*where, key)) for key, value in table.items()}
        for each in columns:
            required = each.default is MISSING and each.default_factory is MISSING
            if required and each.name not in values and each.name not in given:
                self.fail(where, f"has no '{each.name}'")
        return cls(**given, **values)

    def value(self, kind: str, value: Any, where: Where) -> Any:
        """A value, checked against the type its field is declared with."""
        kind = kind.removesuffix(" | None")
        if kind == "tuple[str, ...]":
            return tuple(self.value("str", each, where) for each in self.items(value, where))
        if kind in self._nested:
            rows = enumerate(self.items(value, where))
            return tuple(self.row(self._nested[kind], each, (*where, str(number))) for number, each in rows)
        python, words = _TYPES.get(kind, _TYPES["str"])  # one of some words: which, the reader of the row says
        if not isinstance(value, python) or (bool not in python and isinstance(value, bool)):
            self.fail(where, f"must be {words}, not {value!r}")
        if value == "":
            self.fail(where, "is empty")
        return Path(self.place).parent / Path(str(value)).expanduser() if kind == "Path" else value

    def table(self, value: Any, where: Where) -> dict[str, Any]:
        """A value that must be a table."""
        if not isinstance(value, dict):
            self.fail(where, f"must be a table, written [{'.'.join(where)}]")
        return value

    def array(self, data: dict[str, Any], where: Where) -> list[Any]:
        """The tables of an array, none where it is not there; ``where`` is its place, of which ``data`` has the end."""
        value = data.get(where[-1], [])
        if not isinstance(value, list):
            self.fail(where, f"must be a list of tables, each written [[{'.'.join(where)}]]")
        return value

    def items(self, value: Any, where: Where) -> list[Any]:
        """A value that must be a list."""
        if not isinstance(value, list):
            self.fail(where, f"must be a list, not {value!r}")
        return value

    def known(self, table: dict[str, Any], keys: Iterable[str], where: Where) -> None:
        """Refuse a key that is none of those."""
        for key in table:
            if key not in keys:
                self.fail((*where, key), "is not a key known here", nearest(key, keys))

    def fail(self, where: Where, what: str, hint: str = "") -> NoReturn:
        """A mistake, with the file and the nearest line that is known."""
        line = next((self.lines[where[:n]] for n in range(len(where), 0, -1) if where[:n] in self.lines), None)
        place = f"'{self.place}'" + (f", line {line}" if line else "")
        what_of = f"'{'.'.join(where)}'" if where else "the file"
        raise UsageError(f"{place}: {what_of} {what}", hint=hint)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word most like a misspelt one, else all of them."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known here: {', '.join(names)}." if names else ""
