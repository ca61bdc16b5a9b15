"""The run of a snapshot: what the Console has is read window by window, checked, and committed as it comes.

What arrived whole is never lost: an interruption or a failure commits it and records the rest as a gap, and
the next run goes on there. Nothing is claimed that was not seen. The run yields what happens and prints
nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.ingest import console_coverage as coverage
from kubedossier.analytics.ingest.console import Console, Retry
from kubedossier.analytics.ingest.console_address import Query
from kubedossier.analytics.ingest.console_answer import Page
from kubedossier.analytics.ingest.console_coverage import Gap
from kubedossier.analytics.ingest.console_crew import Crew, Failure
from kubedossier.analytics.ingest.console_facts import source_facts
from kubedossier.analytics.ingest.console_plan import PAGES_A_WINDOW, Wanted, plan_range, plan_windows
from kubedossier.analytics.ingest.console_progress import (
    Committed,
    Outcome,
    PageRead,
    Progress,
    Started,
    Waiting,
    WindowRead,
)
from kubedossier.analytics.ingest.console_queue import WindowQueue
from kubedossier.analytics.ingest.console_survey import Survey, count, oldest_time
from kubedossier.analytics.ingest.console_untimed import fetch_untimed
from kubedossier.analytics.ingest.console_window import SplitWindow, Window, WindowResult, own_time, read_window
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.sources.console_json import FORMAT
from kubedossier.analytics.ingest.staged import Receipt
from kubedossier.analytics.ingest.times import from_micros, to_micros
from kubedossier.analytics.store.ledger import time_text

COMMIT_ROWS = 5000
COMMIT_S = 60.0
COMMIT_BYTES = 64 * 1024 * 1024
LEAVE_S = 2.0
CLOCKS_APART = timedelta(seconds=60)
"""What two clocks may be apart: the next run's overlap heals that."""


class Sink(Protocol):
    """What a run needs of ``Intake``."""

    @property
    def ledger(self) -> Any:
        """The archive's ledger as of now."""
        ...

    def add(self, records: Sequence[Record]) -> None:
        """Take records in."""
        ...

    def commit(self, facts: Mapping[str, Any]) -> Receipt:
        """Make them durable."""
        ...


class Pull:
    """One run.

    Args:
        console: the Console, already looked at.
        sink: where records go; holds the archive's lock.
        wanted: what to fetch.
        found: what the Console has.
        now: clock, aware UTC.
        monotonic: for the time between commits.

    Attributes:
        outcome: what was done so far; complete when ``run`` has ended.
        ahead: how far this machine's clock is before the Console's, where it is far; nothing is claimed of that time.
        collected_later: up to when an earlier run claims to have collected, where that is later than now.
        committing: whether a commit is being written, which is no moment to interrupt.
        after_commit: called after each commit; may raise KeyboardInterrupt for one that came too early.
    """

    def __init__(
        self,
        console: Console,
        sink: Sink,
        wanted: Wanted,
        found: Survey,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._sink, self._wanted, self._found = console, sink, wanted, found
        self._monotonic = monotonic
        self._name = console.address.name
        self._started = moment = now()
        self._range, self._resumed = plan_range(wanted, found, sink.ledger, self._name, now=moment)
        # A range that ends in the future is not collected before that future has passed, by both clocks.
        told = console.told_time
        self.ahead = moment - told if told is not None and moment - told > CLOCKS_APART else None
        passed = to_micros(told if told is not None and self.ahead is not None else moment)
        self._claimable = Window(self._range.start, max(self._range.start, min(self._range.end, passed)))
        last = coverage.last_collected(sink.ledger, self._name)
        self.collected_later = last if last is not None and last - moment > CLOCKS_APART else None
        self.outcome = Outcome(window=self._range, filtered=bool(wanted.filters))
        self._query = Query(wanted.filters)
        self._most_rows = PAGES_A_WINDOW * wanted.page_size
        self._crew: Crew[Window, Any] | None = None
        self._queue = WindowQueue()
        self._staged: list[WindowResult] = []
        self._staged_rows = self._staged_bytes = 0
        self._untimed: set[bytes] = set()
        self._late_gaps: list[Gap] = []
        self._counted = 0
        self._all_stable = True
        self._last_commit = monotonic()
        self.committing = False
        self.after_commit: Callable[[], None] = lambda: None

    def run(self) -> Generator[Progress, None, None]:
        """Do it; yields what happens.

        Close the iterator when leaving early (``contextlib.closing``): then what arrived is committed, too.
        The Console's client is stopped afterwards, so that no thread waits for it any longer.

        Raises:
            SourceError: the Console failed; what arrived before is committed and the rest recorded as a gap.
            StorageError: the archive cannot be written.
        """
        self._crew = Crew(self._read, self._wanted.connections)
        self._console.on_retry = self._tell_retry
        try:
            yield from self._windows()
            if not self._wanted.bounded:
                self._fetch_untimed()
            yield self._commit()
        except (KeyboardInterrupt, GeneratorExit):
            self._settle("interrupted")
            raise
        except SourceError:
            self._settle("failed")
            raise
        finally:
            self._console.stop()
            self._crew.dismiss(wait_s=LEAVE_S)

    def _windows(self) -> Iterator[Progress]:
        assert self._crew is not None
        asked = self._range
        expected = count(self._console, self._wanted.filters, asked.start, asked.end)
        windows = plan_windows(self._wanted, asked, self._found, expected=expected)
        self._queue = WindowQueue(windows, self._wanted.connections)
        yield Started(asked, expected, self._resumed)
        while self._queue:
            self._queue.give(self._crew.give)
            message = self._crew.take()
            if isinstance(message, Failure):
                raise message.error
            if not isinstance(message, WindowResult | SplitWindow):
                yield message
                continue
            self._take(message)
            if isinstance(message, WindowResult):
                yield WindowRead(message.window, len(message.rows), message.stable)
            self._stage()
            if self._due():
                yield self._commit()
        self._compare(expected)

    def _compare(self, expected: int | None) -> None:
        """Hold the sum of the windows against the Console's own count of the range: one of them may have been wrong."""
        if expected is None or not self._all_stable or self.outcome.filtered:
            return
        # The Console's bounds are inclusive, in milliseconds; a window has no part in its end.
        now = count(self._console, self._wanted.filters, self._range.start, self._range.end - 1000)
        if now is not None and self._counted < min(expected, now):
            self._late_gaps.append(Gap(self._claimable, "unstable"))

    def _take(self, message: WindowResult | SplitWindow) -> None:
        self._queue.put(message)
        if isinstance(message, WindowResult):
            self._all_stable &= message.stable
            if message.window.end <= self._range.end:
                self._counted += len(message.rows)

    def _stage(self, *, everything: bool = False) -> None:
        """Hand finished windows to the archive."""
        for result in self._queue.ready(everything=everything):
            self._staged.append(result)
            bounds = coverage.range_facts(result.window)
            self._add(result.rows, f"{bounds['from']}..{bounds['to']}")

    def _add(self, rows: Sequence[bytes], where: str) -> None:
        records = []
        for number, row in enumerate(rows):
            if own_time(row) is None:  # every window meets these again
                mark = hashlib.sha256(row).digest()
                if mark in self._untimed:
                    continue
                self._untimed.add(mark)
            self._staged_bytes += len(row)
            records.append(Record(row, FORMAT, position=f"{where} #{number}", console=self._name, source=self._name))
        self._staged_rows += len(records)
        self._sink.add(records)

    def _due(self) -> bool:
        if not self._staged:
            return False
        late = self._monotonic() - self._last_commit >= COMMIT_S
        return late or self._staged_rows >= COMMIT_ROWS or self._staged_bytes >= COMMIT_BYTES

    def _fetch_untimed(self) -> None:
        def take(rows: tuple[bytes, ...]) -> None:
            self._add(rows, "without bounds")

        found = fetch_untimed(self._page, self._query, page_size=self._wanted.page_size, take=take)
        if not found.whole:
            self._late_gaps.append(Gap(self._claimable, "unwindowed"))

    def _commit(self) -> Committed:
        """Commit the staged windows, after a look whether the Console dropped anything while they were read."""
        collected: list[Window] = []
        gaps: list[Gap] = []
        if not self.outcome.filtered:
            _, oldest_now = oldest_time(self._console)
            collected, gaps = coverage.claims(
                self._staged, self._claimable, oldest=self._found.oldest, oldest_now=oldest_now
            )
            if any(gap.reason == "unstable" for gap in self._late_gaps):
                collected = []  # some window of these may be the wrong one
            gaps += self._late_gaps
        return self._write(collected, gaps)

    def _settle(self, reason: str) -> None:
        """The run ends early: commit what arrived whole, claim nothing more, and record the rest as a gap."""
        if self.committing:
            return  # interrupted in the middle of a commit: that one is whole or not there
        assert self._crew is not None
        for message in self._crew.drain():
            if isinstance(message, WindowResult):
                self._take(message)
        self._stage(everything=True)
        gaps: list[Gap] = []
        if not self.outcome.filtered and self._found.oldest is not None:
            within = Window(max(self._claimable.start, self._found.oldest), self._claimable.end)
            known = [*self.outcome.collected, *(gap.window for gap in self.outcome.gaps)]
            gaps = coverage.unfinished(within, known, reason)
        if self._staged or gaps:
            self._write([], gaps)

    def _write(self, collected: list[Window], gaps: list[Gap]) -> Committed:
        first = self.outcome.commits == 0 and not self.outcome.filtered
        if first:
            last = coverage.last_collected(self._sink.ledger, self._name)
            gaps = (
                coverage.dropped_before(
                    None if last is None else to_micros(last), self._found.oldest, self._claimable.end
                )
                + gaps
            )
        oldest = self._found.oldest
        facts = {
            "console": self._name,
            "started": time_text(self._started),
            "source": source_facts(self._console, self._wanted, self._found),
            "filtered": self.outcome.filtered,
            "console_total": self._found.total if first else None,
            "console_oldest": time_text(from_micros(oldest)) if first and oldest is not None else None,
            "windows": [coverage.window_facts(one) for one in self._staged],
            "collected": [coverage.range_facts(one) for one in collected],
            "gaps": [coverage.range_facts(gap.window) | {"reason": gap.reason} for gap in gaps],
        }
        self.committing = True
        receipt = self._sink.commit(facts)
        self.outcome.add(receipt, collected, gaps)
        self._staged, self._staged_rows, self._staged_bytes = [], 0, 0
        self._last_commit = self._monotonic()
        self.committing = False
        self.after_commit()
        return Committed(receipt)

    def _read(self, window: Window) -> WindowResult | SplitWindow:
        return read_window(
            self._page,
            self._query,
            window,
            page_size=self._wanted.page_size,
            most_rows=PAGES_A_WINDOW * self._wanted.page_size,
        )

    def _page(self, query: Query, offset: int, limit: int) -> Page:
        page = self._console.page(query, offset=offset, limit=limit)
        if self._crew is not None and limit == self._wanted.page_size:
            self._crew.tell(PageRead(len(page.rows)))
        return page

    def _tell_retry(self, retry: Retry) -> None:
        if self._crew is not None:
            self._crew.tell(Waiting(retry.reason, retry.wait_s, retry.tries))
