"""On which line of a TOML file each key stands.

The parser of the standard library does not say, and a message without a line sends people searching. This is
good enough for messages only: it must never decide what a file means.
"""

from __future__ import annotations


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line on which each table and key stands, ``("console", "prod", "url") -> 7``.

    The tables of an array ``[[job]]`` count from "0". A key inside an inline table is not found.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    inside: str | None = None  # the quotes of a text that runs over several lines
    for number, line in enumerate(text.splitlines(), 1):
        stripped, was_inside = line.strip(), inside
        for quotes in ('"""', "'''"):
            if inside in (None, quotes) and line.count(quotes) % 2:
                inside = quotes if inside is None else None
        if was_inside or stripped.startswith(("#", "{")):
            continue
        if stripped.startswith("[["):
            name = _parts(stripped[2 : stripped.find("]]")])
            count = sum(1 for key in found if key[:-1] == name and key[-1].isdigit())
            table = (*name, str(count))
            found.setdefault(name, number)
            found[table] = number
        elif stripped.startswith("["):
            table = _parts(stripped[1 : stripped.find("]")])
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], number)
        elif "=" in stripped:
            found.setdefault((*table, *_parts(stripped.split("=", 1)[0])), number)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
