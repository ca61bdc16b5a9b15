"""Sets the queries of the annex densely: the same SQL in fewer lines, and what all share said once.

Of a statement only blanks and line ends change, and one inside another is named by its mark. It is written with one
thing to a line and deeper steps for what belongs to it; what fits into a line together, and belongs together by these
steps, is put there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import indent

from kubedossier.reports.model import Evidence

WIDTH = 138
"""Characters of a line on paper."""
_CLOSERS = (")", "end")
_GOING_ON = ("where ", "group by ", "having ", "order by ", "limit ")


@dataclass
class _Line:
    """A line and the lines that stand deeper under it."""

    text: str
    depth: int
    under: list[_Line] = field(default_factory=list)


def usual(evidence: Sequence[Evidence]) -> tuple[tuple[str, str], ...]:
    """The parameters, with values, that most questions that have them were asked with; those of one question never."""
    found = Counter(pair for one in evidence for pair in one.parameters)
    names = dict.fromkeys(name for name, _ in found)
    most = {name: max((pair for pair in found if pair[0] == name), key=lambda pair: found[pair]) for name in names}
    return tuple(pair for pair in most.values() if found[pair] > 1)


def unusual(one: Evidence, common: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The parameters of a question that are not the usual ones."""
    return tuple(pair for pair in one.parameters if pair not in common)


def told_once(sql: str, others: Sequence[Evidence]) -> str:
    """The statement with the whole rows of another one named by its mark, where it reads from these."""
    for one in others:
        rows = one.sql.strip().rpartition("\norder by ")[0]
        for step in ("  ", "    "):
            told = f"(\n{indent(rows, step)}\n"
            if rows and one.sql != sql and told in sql:
                sql = sql.replace(told, f"(\n{step}[the statement of {one.mark}, in any order, all rows]\n")
    return sql


def dense(sql: str, width: int = WIDTH) -> str:
    """The statement with lines of up to so many characters; as it is where a comment or a text spans lines."""
    lines = [line.rstrip() for line in sql.splitlines() if line.strip()]
    if any("--" in line or "/*" in line or line.count("'") % 2 or line.count('"') % 2 for line in lines):
        return sql
    return "\n".join(_set(_tree(lines), width))


def _tree(lines: list[str]) -> list[_Line]:
    top = _Line("", -1)
    open_: list[_Line] = [top]
    for line in lines:
        one = _Line(line.strip(), len(line) - len(line.lstrip()))
        while open_[-1].depth >= one.depth:
            open_.pop()
        open_[-1].under.append(one)
        open_.append(one)
    return top.under


def _set(lines: list[_Line], width: int) -> list[str]:
    """Neighbours of one depth: all in one line where they fit, else each on its own, lists filled up."""
    if not lines:
        return []
    indent = " " * lines[0].depth
    whole = indent + _flat(lines)
    if len(whole) <= width:
        return [whole]
    made: list[str] = []
    is_open = False  # whether more may follow on the last line
    for group in _groups(lines):
        flat = _flat(group)
        if (is_open or (made and flat.startswith(_GOING_ON))) and len(made[-1]) + 1 + len(flat) <= width:
            made[-1] += " " + flat
        elif len(indent) + len(flat) <= width:
            made.append(indent + flat)
        else:
            made += [indent + group[0].text, *_set(group[0].under, width), *(indent + one.text for one in group[1:])]
        is_open = flat.endswith(",") and len(made[-1]) <= width and not group[0].text.endswith("as (")
    return made


def _groups(lines: list[_Line]) -> list[list[_Line]]:
    """Each line with what closes it."""
    groups: list[list[_Line]] = []
    for one in lines:
        if groups and one.text.startswith(_CLOSERS):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _flat(lines: list[_Line]) -> str:
    text = ""
    for one in lines:
        joint = "" if not text or text.endswith("(") or one.text.startswith(")") else " "
        text += joint + one.text
        if one.under:
            text += ("" if text.endswith("(") else " ") + _flat(one.under)
    return text
