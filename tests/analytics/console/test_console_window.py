"""A window: whole under every meaning that the API's bounds, caps and orders may have."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from kubedossier.analytics.ingest.console_address import Query
from kubedossier.analytics.ingest.console_answer import Page
from kubedossier.analytics.ingest.console_window import SplitWindow, Window, own_time, read_window
from kubedossier.analytics.ingest.times import from_micros, parse_time

START = 1_790_812_800_000_000
SPAN = 600_000_000
TIMES = st.one_of(
    st.integers(0, SPAN - 1),
    st.sampled_from([0, 1, 999, 1000, 1_000_000, 299_999_999, 300_000_000, SPAN - 1]),
    st.integers(0, 20).map(lambda second: 120_000_000 + second * 500),
)


def raw_at(micros: int, number: int) -> bytes:
    time = from_micros(START + micros).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return json.dumps({"time": time, "message": str(number)}).encode()


class FakeConsole:
    """Pages over a fixed list of events, as one of the Consoles there may be."""

    def __init__(self, rows, *, cap, includes_from, includes_to, whole_milliseconds, counts):
        self.rows, self.cap, self.counts = rows, cap, counts
        self.includes_from, self.includes_to, self.unit = includes_from, includes_to, 1000 if whole_milliseconds else 1
        self.asked = 0

    def __call__(self, query: Query, offset: int, limit: int) -> Page:
        self.asked += 1
        sent = dict(query.pairs(offset, limit))
        low, high = parse_time(sent["from"])[0], parse_time(sent["to"])[0]
        found = []
        for row in self.rows:
            time = own_time(row) // self.unit * self.unit
            after = time >= low if self.includes_from else time > low
            before = time <= high if self.includes_to else time < high
            if after and before:
                found.append((time, row))
        found.sort(key=lambda one: one[0])
        page = tuple(row for _, row in found[offset : offset + min(limit, self.cap)])
        body = b",".join(page)
        return Page(page, len(found) if self.counts else None, hashlib.sha256(body).digest(), len(body))


@settings(max_examples=300, deadline=None)
@given(
    times=st.lists(TIMES, max_size=120),
    cuts=st.lists(st.integers(1, SPAN - 1), max_size=5),
    page_size=st.integers(2, 60),
    cap=st.integers(2, 60),
    includes_from=st.booleans(),
    includes_to=st.booleans(),
    whole_milliseconds=st.booleans(),
    counts=st.booleans(),
)
def test_windows_side_by_side_give_every_event_once(
    times, cuts, page_size, cap, includes_from, includes_to, whole_milliseconds, counts
):
    rows = [raw_at(micros, number) for number, micros in enumerate(times)]
    console = FakeConsole(
        rows,
        cap=cap,
        includes_from=includes_from,
        includes_to=includes_to,
        whole_milliseconds=whole_milliseconds,
        counts=counts,
    )
    bounds = [START, *sorted({START + cut for cut in cuts}), START + SPAN]
    todo = [Window(start, end) for start, end in itertools.pairwise(bounds)]
    found: list[bytes] = []
    while todo:
        result = read_window(console, Query(), todo.pop(), page_size=page_size, most_rows=2 * page_size)
        if isinstance(result, SplitWindow):
            assert len(result.parts) > 1
            todo += result.parts
            continue
        assert result.stable
        found += result.rows
    assert Counter(found) == Counter(rows)


@settings(max_examples=200, deadline=None)
@given(start=st.integers(0, 10**9), length=st.integers(2000, 10**12), parts=st.integers(2, 5000))
def test_the_parts_of_any_window_are_that_window(start, length, parts):
    window = Window(start, start + length)
    found = window.split(parts)
    assert (found[0].start, found[-1].end) == (window.start, window.end)
    assert all(one.end == other.start and one.start < one.end for one, other in itertools.pairwise(found))
    assert len(found) <= parts
    assert len(found) > 1


def test_a_record_without_a_readable_time_has_none():
    for raw in (b"{}", b'{"time":null}', b'{"time":5}', b"[]", b"nope", b'{"time":"0001-01-01T00:00:00Z"}', b"\xff"):
        assert own_time(raw) is None


def test_an_answer_to_another_question_is_not_taken_for_this_ones():
    """As a cache on the way gives it: as many rows as are to come, under the right count, of another time."""
    rows = [raw_at(micros, micros) for micros in (1, 2_000_000, 400_000_000, 402_000_000)]
    console = FakeConsole(rows, cap=50, includes_from=True, includes_to=True, whole_milliseconds=False, counts=True)
    window, other = Window(START, START + 300_000_000), Query().between(START + 300_000_000, START + SPAN)
    wrong = console(other, 0, 50)
    asked = []

    def get_page(query, offset, limit):
        asked.append(query)
        return wrong if len(asked) == 1 else console(query, offset, limit)

    result = read_window(get_page, Query(), window, page_size=50, most_rows=100)
    assert (result.stable, result.reads, set(result.rows)) == (True, 2, set(rows[:2]))
