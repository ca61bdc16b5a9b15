"""The catalogue as text: the description of one question, and the page ``queries/README.md``.

The page is made from the headers of the files and never edited by hand; a test holds the two against each other.
``python -m kubedossier.analytics.catalogue_pages`` writes it anew.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

from kubedossier.analytics.catalogue import GIVEN, TYPES, Column, Parameter, Query, packaged

_WIDTH = 78
_READS = {
    "period": "the period",
    "period+previous": "the period and the one before",
    "history": "everything up to the end of the period",
}
_INTRODUCTION = """# Queries

One file a question. `kubedossier query NAME` asks it, `kubedossier query NAME --describe` shows what stands here, and
`Archive.query("NAME", period="2026-10")` answers in Python. Each can be narrowed by period, clusters, accounts,
providers, users, namespaces, techniques and source (`native`: the Console's records; `raw`: audit logs), without a word
of that in its SQL. Times are UTC.

This page is made from the headers of the files by `python -m kubedossier.analytics.catalogue_pages`.

## Your own

Name a folder in `kubedossier.toml` (`queries = "my-queries"`), or in Python with `Archive(..., queries="my-queries")`,
and put `.sql` files of the same form there; they are listed and asked by name like these. They see the views `events`,
`records`, `snapshots`, `windows`, `gaps`, `collected`, `rejects` and `attack_techniques`, and can touch nothing else.
What a file gives is held against its header, and no file may have the name of a built-in question. A file is a header
of comment lines, then one `select`:

```sql
{example}```

- `title`, `question`, `columns`, `order`, `reads` and `notes` are required; `parameters` where the SQL uses any.
- Types: {types}.
- A parameter is `name type = default: meaning`; `= none` is null; without a default the user must give it, as in
  `-p user=alice`. {given} come from the period.
- A column is `name type [unit]: meaning`; numbers need a unit.
- `reads` is `period`, `period+previous` or `history`: how much of the archive the answer depends on.
- `trend` names the columns that tell apart what a row counts (`user`), each with what it is of an event where that is
  not the column of its name (`source_ip = unnest(list_distinct(source_ips))`): then tables for people draw the `events`
  of each row by day. `spare` names columns that a narrow table leaves out, the first of them first. Neither must be.
- Three blanks after the dashes continue an entry; deeper ones continue an entry of a list.
"""
_EXAMPLE = """-- title: Agents
-- question: Which programs talk to the clusters?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = 10: at most so many rows
-- columns:
--   user_agent varchar: as received
--   events bigint [events]: in the period
-- order: events desc, user_agent
-- reads: period
-- notes: A program may call itself anything.
select user_agent, count(*) as events
from events
where time >= $period_start and time < $period_end
group by user_agent
order by events desc, user_agent
limit $limit
"""


def described(query: Query) -> str:
    """One question for a terminal of 80 columns: what it takes, gives and misses, and its SQL."""
    own = [one for one in query.parameters if one.name not in GIVEN]
    parts = [f"{query.name}: {query.title}", "", *_wrapped(query.question, ""), ""]
    if own:
        parts += ["Parameters", *_listed((_parameter(one), one.text) for one in own), ""]
    parts += ["Columns", *_listed((_column(one), one.text) for one in query.columns), ""]
    parts += [*_wrapped(f"Order: {query.order}.", ""), *_wrapped(f"Reads: {_READS[query.reads]}.", ""), ""]
    return "\n".join([*parts, *_wrapped(query.notes, ""), "", query.sql])


def page(queries: Iterable[Query]) -> str:
    """The page ``queries/README.md``, in Markdown."""
    known = list(queries)
    parts = [
        _INTRODUCTION.format(
            example=_EXAMPLE,
            types=", ".join(f"`{one}`" for one in TYPES),
            given=", ".join(f"`{one}`" for one in GIVEN),
        ),
        "## The questions\n",
        "| name | question |\n| --- | --- |",
        *(f"| [{one.name}](#{one.name}) | {_cell(one.question)} |" for one in known),
        "",
        *(_section(one) for one in known),
    ]
    return "\n".join(parts)


def write_page(folder: Path) -> Path:
    """Write the page of the package's own questions into a folder and return its path."""
    path = folder / "README.md"
    path.write_text(page(packaged().values()), encoding="utf-8", newline="\n")
    return path


def _section(query: Query) -> str:
    own = [one for one in query.parameters if one.name not in GIVEN]
    parts = [f"### {query.name}\n", f"**{query.title}.** {query.question}\n"]
    if own:
        parts += ["| parameter | meaning |\n| --- | --- |"]
        parts += [f"| `{_parameter(one)}` | {_cell(one.text)} |" for one in own] + [""]
    parts += ["| column | type | unit | meaning |\n| --- | --- | --- | --- |"]
    parts += [f"| `{one.name}` | {one.type} | {one.unit} | {_cell(one.text)} |" for one in query.columns] + [""]
    parts += [f"Order: {query.order}. Reads: {_READS[query.reads]}.\n", query.notes + "\n"]
    return "\n".join(parts)


def _parameter(one: Parameter) -> str:
    if one.required:
        return f"{one.name} {one.type}"
    return f"{one.name} {one.type} = {'none' if one.default is None else one.default}"


def _column(one: Column) -> str:
    return f"{one.name} {one.type}" + (f" [{one.unit}]" if one.unit else "")


def _listed(entries: Iterable[tuple[str, str]]) -> list[str]:
    known = list(entries)
    width = min(34, max(len(name) for name, _ in known))
    lines = []
    for name, text in known:
        lines += _wrapped(f"  {name:<{width}}  {text}", " " * (width + 4))
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write_page(Path(__file__).resolve().parent.parent / "queries")
