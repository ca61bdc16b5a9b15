"""Whatever goes wrong, as long as it ends: the archive holds exactly the Console's events, and claims what was seen.

A first run meets a drawn schedule of faults and changes; then all is well, and an ordinary run follows. What a run
claims is held against what the Console had when that run began, also where the run failed.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.store.ledger import Ledger

FIRST = datetime(2026, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 10, 4, tzinfo=UTC)
EXAMPLES = 1000 if os.environ.get("KUBEDOSSIER_FAULTS") == "all" else 40
MOST_REQUESTS = 4000

FAULTS = (
    *(429, 500, 503, 204, "drop", "html", "web_page_as_json", "truncated", "short", "object", "empty", "gzip"),
    *("broken_gzip", "wrong_count", "first_page", "page_before", "fewer", "ties"),
)
CHANGES = ("arrive", "arrive early", "lose oldest", "forget logins")


NOTHING_YET = (None, None, None)
"""What is asked before the first page: the oldest event, the count of the range, the time before it."""


@dataclass(frozen=True)
class Trouble:
    """A Console and what goes wrong with it.

    Attributes:
        bursts: (minute, events of that moment).
        untimed: events without a time.
        schedule: for each request for audits, in turn: None or one of FAULTS, after any number of CHANGES.
        counts: whether the Console counts.
        most: its cap on a page.
        page_size, connections: of the client.
    """

    bursts: tuple[tuple[int, int], ...]
    untimed: int = 0
    schedule: tuple[object, ...] = ()
    counts: bool = True
    most: int = 50
    page_size: int = 10
    connections: int = 1


def stretches(action) -> st.SearchStrategy:
    """The same action, several times in a row."""
    return st.tuples(action, st.sampled_from((1, 2, 3, 5, 30))).map(lambda one: (one[0],) * one[1])


def chained(parts) -> tuple:
    return tuple(itertools.chain.from_iterable(parts))


CHANGE = st.sampled_from(CHANGES).map(lambda one: (one,))
ACTIONS = st.one_of(CHANGE, CHANGE, stretches(st.none()), stretches(st.sampled_from(FAULTS)))
TROUBLE = st.builds(
    Trouble,
    bursts=st.lists(
        st.tuples(st.integers(0, 4000), st.sampled_from((1, 1, 2, 7, 10, 20, 30))), min_size=1, max_size=8
    ).map(tuple),
    untimed=st.sampled_from((0, 0, 1, 12)),
    schedule=st.tuples(st.sampled_from(((), NOTHING_YET)), st.lists(ACTIONS, max_size=12).map(chained)).map(chained),
    counts=st.sampled_from((True, True, False)),
    most=st.sampled_from((50, 50, 7)),
    page_size=st.sampled_from((10, 10, 3)),
    connections=st.sampled_from((1, 1, 4)),
)


class Play:
    """Lets a Console go through a schedule, and remembers all it ever had."""

    def __init__(self, console, make_event, trouble: Trouble) -> None:
        self.console, self.make_event = console, make_event
        minutes = [minute for minute, size in trouble.bursts for _ in range(size)]
        times = [FIRST + timedelta(minutes=minute) for minute in minutes] + [""] * trouble.untimed
        console.events = [make_event(number, time) for number, time in enumerate(times)]
        console.counts, console.most = trouble.counts, trouble.most
        console.on_request = self.step
        self.ever = set(console.events)
        self.left = list(reversed(trouble.schedule))
        self.arrived = 0
        self.lost_until = FIRST

    def step(self, number: int) -> None:
        if number > MOST_REQUESTS:
            self.console.fault_for_ever = 403
        while self.left and self.left[-1] in CHANGES:
            getattr(self, self.left.pop().replace(" ", "_"))()
        self.console.faults.append(self.left.pop() if self.left else None)

    def arrive(self) -> None:
        self._arrive(FIRST + timedelta(hours=70, seconds=self.arrived))

    def arrive_early(self) -> None:
        """Late, and at the beginning; a Console does not take in what is older than what it dropped."""
        self._arrive(self.lost_until + timedelta(seconds=self.arrived))

    def lose_oldest(self) -> None:
        """The oldest moment goes, as when the Console is full; a claim begins with the oldest that is left."""
        times = [json.loads(raw)["time"] for raw in self.console.events]
        oldest = min(filter(None, times), default=None)
        if oldest is not None:
            self.lost_until = datetime.fromisoformat(oldest) + timedelta(seconds=1)
        self.console.events = [raw for raw, time in zip(self.console.events, times, strict=True) if time != oldest]

    def forget_logins(self) -> None:
        self.console.tokens.clear()

    def _arrive(self, moment: datetime) -> None:
        self.arrived += 1
        self.console.events.append(self.make_event(10_000 + self.arrived, moment))
        self.ever.add(self.console.events[-1])

    def end(self) -> None:
        self.left = []


def archived(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return [raw.encode() for raw in Archive(path).select("select raw from records", {}).column("raw").to_pylist()]


def check(path: Path, before: list[bytes], ever: set[bytes], entries_before: int) -> None:
    """Nothing twice, nothing invented, and nothing claimed that the run did not bring."""
    stored = archived(path)
    assert len(set(stored)) == len(stored)
    assert set(stored) <= ever
    missing = [json.loads(raw)["time"] for raw in set(before) - set(stored)]
    entries = Ledger.read(path).entries[entries_before:] if path.exists() else []
    claims = [(one["from"], one["to"]) for entry in entries for one in entry.get("collected", [])]
    assert not [(time, claim) for time in missing if time for claim in claims if claim[0] <= time < claim[1]]


def entries_of(path: Path) -> int:
    return len(Ledger.read(path).entries) if path.exists() else 0


@given(TROUBLE)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@example(Trouble(((5, 20),), schedule=(*NOTHING_YET, *["first_page"] * 40)))
@example(Trouble(((5, 20),), schedule=(*NOTHING_YET, *["first_page"] * 40), counts=False))
@example(Trouble(((5, 1), (6, 30)), schedule=(*NOTHING_YET, None, "lose oldest")))
@example(Trouble(((5, 1), (6, 30)), schedule=(*NOTHING_YET, None, "arrive early")))
@example(Trouble(((5, 7), (6, 30)), schedule=(None, "lose oldest")))
@example(Trouble(((5, 1), (6, 20)), schedule=(*NOTHING_YET, None, "lose oldest", "arrive")))
@example(Trouble(((5, 20),), schedule=(*NOTHING_YET, None, "ties")))
def test_after_any_trouble_that_ends_the_archive_holds_the_consoles_events(new_console, event, trouble):
    with new_console() as console, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "dossier")
        play = Play(console, event, trouble)
        asked = {"page_size": trouble.page_size, "connections": trouble.connections}
        before = list(console.events)
        with suppress(SourceError):
            console.pull(path, **asked)
        check(path, before, play.ever, 0)

        play.end()
        before, entries = list(console.events), entries_of(path)
        # An event that came late is found by the overlap; what failed is found without one.
        overlap = timedelta(days=9) if play.arrived else timedelta(0)
        outcome = console.pull(path, now=NOW + timedelta(hours=1), overlap=overlap, **asked)
        check(path, before, play.ever, entries)
        assert set(archived(path)) >= set(console.events)
        assert {gap.reason for gap in outcome.gaps} <= {"dropped"}
