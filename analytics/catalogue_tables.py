"""What a question's header says of its table for people: whose trend a row has, and what a narrow table spares.

Nothing here runs SQL; an expression of a trend is as trusted as the file it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Collection

COUNTED = "events"
"""The column that a trend draws by day."""
_BETWEEN = re.compile(r",(?![^(]*\))")


def trend(text: str, columns: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Columns that tell the rows' subjects apart, each with what it is of an event, in SQL.

    Args:
        text: such as ``user`` or ``source_ip = unnest(source_ips)``; several with commas.
        columns: of the answer.

    Raises:
        ValueError: a column is none of the answer, nothing is counted, or an expression is more than one.
    """
    if COUNTED not in columns:
        raise ValueError(f"a trend draws the column '{COUNTED}', which the header does not declare")
    found = []
    for part in _BETWEEN.split(text):
        name, _, sql = (one.strip() for one in part.partition(" = "))
        _known("trend", name, columns)
        if re.search(r";|\$|--|/\*", sql):
            raise ValueError(f"the trend of '{name}' is one expression without parameters")
        found.append((name, sql or f'"{name}"'))
    return tuple(found)


def spare(text: str, columns: Collection[str]) -> tuple[str, ...]:
    """Columns that a narrow table leaves out, the first of them first.

    Raises:
        ValueError: one is none of the answer.
    """
    names = tuple(one.strip() for one in text.split(","))
    for name in names:
        _known("spare", name, columns)
    return names


def _known(key: str, name: str, columns: Collection[str]) -> None:
    if name not in columns:
        raise ValueError(f"'{key}' names '{name}', which is no column of the answer")
