"""Small lines of block characters: how a number went from day to day, in a cell of a table.

Each line has its own scale, for it shows a course and no amount: the amount stands beside it. A day with nothing is a
dot, so that little and nothing are told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST, SHORTEST = 31, 11
"""Cells of a line at most, and at least where there are so many days and room is short."""
_NOTHING, _BLOCKS = "\u00b7", "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


@dataclass(frozen=True, slots=True)
class Trend:
    """A value of a table: counts by day, oldest first."""

    days: tuple[int, ...]

    @property
    def longest(self) -> int:
        """Cells it takes where there is room."""
        return _cells(len(self.days), LONGEST)

    @property
    def shortest(self) -> int:
        """Cells it takes where there is little."""
        return _cells(len(self.days), SHORTEST)


def spark(days: Sequence[int], width: int) -> str:
    """The line in so many cells at most; several days in a cell are their mean."""
    size = days_a_cell(len(days), width)
    means = [sum(part) / len(part) for part in (days[at : at + size] for at in range(0, len(days), size))]
    highest = max(means, default=0)
    return "".join(_BLOCKS[math.ceil(8 * one / highest) - 1] if one else _NOTHING for one in means)


def days_a_cell(days: int, width: int) -> int:
    """How many days stand in one cell."""
    return max(1, math.ceil(days / max(width, 1)))


def _cells(days: int, width: int) -> int:
    return math.ceil(days / days_a_cell(days, width))
