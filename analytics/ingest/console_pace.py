"""How fast to ask and how long to be patient: back-off, deadlines and the number of requests under way.

Delays grow and are spread by chance, so that many clients do not come back at once. All waiting goes through
one function that an interrupted run can wake; nothing here sleeps by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from kubedossier.analytics.ingest.console_answer import Again

_RISE_AFTER = 50


class Stopped(Exception):  # noqa: N818 - not an error: the run is over
    """The run was stopped while a request was waiting."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is tried.

    Attributes:
        total_s: from its first try to the last.
        first_s: the same before the Console has answered anything at all: a wrong address should not take
        minutes.
        base_s: about the first delay; each further one doubles.
        longest_s: of one delay.
        retry_after_s: the longest Retry-After that is honoured; a longer one is cut to it.
    """

    total_s: float = 600.0
    first_s: float = 30.0
    base_s: float = 0.5
    longest_s: float = 30.0
    retry_after_s: float = 120.0


class Trial:
    """One request's tries."""

    def __init__(self, patience: Patience, *, deadline_s: float, started: float, chance: Callable[[], float]) -> None:
        self._patience = patience
        self._deadline = started + deadline_s
        self._chance = chance
        self._tries = 0
        self._bad = 0

    @property
    def tries(self) -> int:
        """How many went wrong so far."""
        return self._tries

    def delay(self, again: Again, *, now: float) -> float | None:
        """Seconds to wait before the next try, or None when it is time to give up."""
        self._tries += 1
        self._bad = self._bad + 1 if again.most is not None else 0
        if again.most is not None and self._bad >= again.most:
            return None
        patience = self._patience
        ceiling = min(patience.longest_s, patience.base_s * 2.0 ** min(self._tries - 1, 20))
        wait = ceiling * (0.5 + 0.5 * self._chance())
        if again.wait_s is not None:
            asked = min(again.wait_s, patience.retry_after_s)
            wait = max(wait, asked * (1.0 + 0.1 * self._chance()))
        return wait if now + wait < self._deadline else None


class Throttle:
    """Lets some requests through at a time: fewer when the Console says it is too much, slowly more again.

    Use it as a context manager around each request. Thread-safe.
    """

    def __init__(self, connections: int, *, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._most = self._allowed = connections
        self._monotonic = monotonic
        self._sleep = sleep
        self._turn = threading.Condition()
        self._under_way = 0
        self._went_well = 0
        self._not_before = 0.0
        self._stopped = False

    @property
    def allowed(self) -> int:
        """How many requests may be under way now."""
        return self._allowed

    def __enter__(self) -> None:
        with self._turn:
            while self._under_way >= self._allowed and not self._stopped:
                self._turn.wait()
            if self._stopped:
                raise Stopped
            self._under_way += 1
            pause = self._not_before - self._monotonic()
        if pause > 0:
            try:
                self._sleep(pause)
            except BaseException:
                self._leave()
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def slow_down(self, pause_s: float) -> None:
        """Halve what is let through, and hold everybody back for a while."""
        with self._turn:
            now = self._monotonic()
            if now >= self._not_before:  # one burst of refusals counts once
                self._allowed = max(1, self._allowed // 2)
            self._went_well = 0
            self._not_before = max(self._not_before, now + pause_s)

    def went_well(self) -> None:
        """Count a success; after many of them one more request is let through."""
        with self._turn:
            self._went_well += 1
            if self._went_well >= _RISE_AFTER and self._allowed < self._most:
                self._allowed += 1
                self._went_well = 0
                self._turn.notify()

    def stop(self) -> None:
        """Let nothing through any more and wake all who wait."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()

    def _leave(self) -> None:
        with self._turn:
            self._under_way -= 1
            self._turn.notify()
