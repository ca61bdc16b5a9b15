"""Reads control catalogues: those of the package, and those that a user keeps in a folder; one loader for both.

A catalogue holds ids and short titles, never the text of a standard. For each control it names the sections and queries
that bear on it, the most that such a record can do for it, and what it cannot show. Every file is checked as it is
read, and a mistake names the file, the line and the nearest known word. No catalogue may say that somebody complies.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.toml_tables import Tables, nearest, parsed, parsed_text
from kubedossier.reports.asking import QUERIES
from kubedossier.reports.findings import RULES
from kubedossier.reports.judgements import Control, Framework, Support
from kubedossier.reports.sections import SECTIONS
from kubedossier.reports.text import plain

FRAMEWORKS = (
    "soc2", "pci-dss", "iso27001", "nist-800-53", "hipaa", "cis-kubernetes", "dora", "nis2", "fedramp",
)  # fmt: skip
CONFIDENCES = ("high", "medium", "low")
LONGEST_ID = 24
_CALLED = "the control catalogue"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_OPINION = re.compile(r"\bcompl(y|ies|ied|ian)", re.IGNORECASE)


@cache
def packaged(name: str) -> Framework:
    """A catalogue of the package."""
    file = resources.files("kubedossier.reports").joinpath("frameworks", f"{name}.toml")
    return parse(file.read_text("utf-8"), f"{name}.toml")


def chosen(
    names: Iterable[str], folder: Path | None = None, *, sections: Collection[str] = (), queries: Collection[str] = ()
) -> tuple[Framework, ...]:
    """The catalogues of these names, each once, in the order given; words may hold several with commas between.

    Args:
        names: of catalogues, of the package or ``NAME.toml`` in the folder.
        folder: of the user's own catalogues; None has none.
        sections: the user's own sections that the report has.
        queries: what these ask.

    Raises:
        UsageError: there is no such catalogue, or a file is wrong; names the file and the line.
    """
    words = dict.fromkeys(word.strip().lower() for name in names for word in name.split(","))
    own = _files(folder) if folder else {}
    found = []
    for word in filter(None, words):
        if word in own:
            found.append(_own(own[word], sections, queries))
        elif word in FRAMEWORKS:
            found.append(packaged(word))
        else:
            raise UsageError(f"There is no control framework '{word}'", hint=nearest(word, (*FRAMEWORKS, *own)))
    return tuple(found)


def parse(text: str, place: str | Path, *, sections: Collection[str] = (), queries: Collection[str] = ()) -> Framework:
    """Read one catalogue.

    Args:
        text: TOML.
        place: the file, as an error names it; its name is the catalogue's id.
        sections: a user's own; built-in ones are known.
        queries: what these ask; what every report asks is known.

    Raises:
        UsageError: something is missing, unknown or says too much; names the file and the line.
    """
    data = parsed_text(text, place, _CALLED)
    return _checked(data, Tables(place, text), place, sections, queries)


def _checked(
    data: dict[str, Any], tables: Tables, place: str | Path, sections: Collection[str], queries: Collection[str]
) -> Framework:
    rows = tables.array(data, ("control",))
    known = {
        "sections": ([one.id for one in SECTIONS if one.id != "controls"], sections),
        "queries": (QUERIES, queries),
        "rules": ([one.name for one in RULES], ()),
    }
    held = tuple(_control(tables, n, one, known) for n, one in enumerate(rows))
    for n, one in enumerate(held):
        if one.id in [other.id for other in held[:n]]:
            tables.fail(("control", str(n), "id"), f"is '{one.id}', and so is that of a control before it")
    head = {key: value for key, value in data.items() if key != "control"}
    found = tables.row(Framework, head, (), controls=held)
    if found.id != Path(place).stem:
        tables.fail(("id",), f"is '{found.id}', and the file is named '{Path(place).name}'")
    if not held:
        tables.fail(("control",), "is not there: a catalogue has at least one [[control]]")
    return found


def _control(tables: Tables, number: int, table: Any, known: Mapping[str, tuple[Any, Any]]) -> Control:
    where = ("control", str(number))
    one = tables.row(Control, table, where)
    for key, (built_in, own) in known.items():
        for name in getattr(one, key):
            if name not in built_in and name not in own:
                hint = nearest(name, [*built_in, *own])
                tables.fail((*where, key), f"names '{name}', which this report does not have", hint)
    if not one.sections:
        tables.fail((*where, "sections"), "is empty: a control names at least one section")
    if len(one.id) > LONGEST_ID or one.id != plain(one.id):
        tables.fail((*where, "id"), f"must be at most {LONGEST_ID} characters that can be seen")
    if one.support not in get_args(Support):
        tables.fail((*where, "support"), f"must be one of {', '.join(map(repr, get_args(Support)))}")
    if one.confidence not in CONFIDENCES:
        tables.fail((*where, "confidence"), f"must be one of {', '.join(map(repr, CONFIDENCES))}")
    if one.confidence == "low" and one.support == "supports":
        tables.fail((*where, "support"), "is more than a catalogue with low confidence can say")
    for key in ("shows", "cannot"):
        if _OPINION.search(getattr(one, key)):
            tables.fail((*where, key), "speaks of compliance; a record supports a statement, and the rest is judgement")
    return one


def _own(path: Path, sections: Collection[str], queries: Collection[str]) -> Framework:
    data, text = parsed(path, _CALLED)
    return _checked(data, Tables(path, text), path, sections, queries)


def _files(folder: Path) -> dict[str, Path]:
    """The user's catalogues by name."""
    try:
        files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix == ".toml"}
    except OSError as error:
        raise UsageError(f"Cannot read the control catalogues in '{folder}': {error.strerror}") from error
    for name, path in files.items():
        if name in FRAMEWORKS:
            raise UsageError(f"'{path}': there is a built-in catalogue of that name", hint="Give the file another.")
        if not _NAME.fullmatch(name):
            raise UsageError(f"'{path}': a catalogue's name is lower case letters, digits and '-'")
    return files
