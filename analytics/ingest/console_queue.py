"""Which windows of a run are still to be read, are being read, or wait for earlier ones.

Windows are read side by side and handed on in the order of time, so that a run that is killed leaves no holes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from kubedossier.analytics.ingest.console_window import SplitWindow, Window, WindowResult


class WindowQueue:
    """The windows of one run.

    Args:
        windows: all that are to be read.
        width: how many are read at once.
    """

    def __init__(self, windows: Iterable[Window] = (), width: int = 1) -> None:
        self._todo = sorted(windows)
        self._width = width
        self._under_way: set[Window] = set()
        self._done: list[WindowResult] = []

    def __bool__(self) -> bool:
        """Whether anything is still to be read."""
        return bool(self._todo or self._under_way)

    def give(self, take: Callable[[Window], None]) -> None:
        """Hand out windows, oldest first, without running far ahead of one that takes long."""
        while self._todo and len(self._under_way) < self._width and self._may_run_ahead(4 * self._width):
            window = heapq.heappop(self._todo)
            self._under_way.add(window)
            take(window)

    def put(self, message: WindowResult | SplitWindow) -> None:
        """Take what became of a window back: its rows, or the parts that are to be read instead of it."""
        self._under_way.discard(message.window)
        if isinstance(message, WindowResult):
            self._done.append(message)
            return
        for part in message.parts:
            heapq.heappush(self._todo, part)

    def ready(self, *, everything: bool = False) -> list[WindowResult]:
        """Finished windows that no earlier one is missing before, in the order of time; each is given once."""
        first_open = min([*self._todo[:1], *self._under_way], default=None)
        found = [one for one in self._done if everything or first_open is None or one.window < first_open]
        for result in found:
            self._done.remove(result)
        return sorted(found, key=lambda one: one.window)

    def _may_run_ahead(self, most: int) -> bool:
        """Whether the next window is one that finished ones wait for, or few enough wait."""
        return len(self._done) < most or self._todo[0] < max(one.window for one in self._done)
