"""Ranges joined as they come are the ranges joined at once, and a long ledger costs what its length does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kubedossier.analytics import coverage
from kubedossier.analytics.coverage import Cover, Span, collected, merge, subtract, tables
from kubedossier.analytics.store.ledger import Ledger, time_text

ZERO = datetime(2026, 10, 1, tzinfo=UTC)


def hour(number: int) -> datetime:
    return ZERO + timedelta(hours=number)


spans = st.builds(
    lambda console, start, length: Span(console, hour(start), hour(start + length)),
    st.sampled_from(["a", "b"]),
    st.integers(0, 40),
    st.integers(-1, 9),
)


@given(st.lists(spans, max_size=25), spans)
def test_ranges_joined_as_they_come_leave_what_ranges_joined_at_once_leave(some, asked):
    cover = Cover()
    for one in some:
        cover.add(one)
    assert cover.missing(asked) == subtract(asked, some)
    kept = [Span(name, *pair) for name, bounds in cover._bounds.items() for pair in zip(*bounds, strict=True)]
    assert sorted(kept, key=lambda one: (one.console, one.start)) == merge(some)


def facts(start: int, end: int) -> dict[str, str]:
    return {"from": time_text(hour(start)), "to": time_text(hour(end))}


class Counted(dict):
    """An entry that counts how often it is looked into."""

    looks = 0

    def __getitem__(self, key):
        Counted.looks += 1
        return super().__getitem__(key)

    def get(self, key, default=None):
        Counted.looks += 1
        return super().get(key, default)


def entries(count: int) -> list[Counted]:
    """An import that is retracted in the end, and in between snapshots that each leave a hole."""
    told = {"min_time": time_text(ZERO), "max_time": time_text(hour(1)), "month": "2026-10"}
    between = [
        Counted(
            type="snapshot",
            id=f"s{number}",
            seq=number + 2,
            console="a",
            filtered=False,
            observed={"2026-10": {"n": 2}},
            collected=[facts(2 * number, 2 * number + 1)],
            gaps=[facts(2 * number + 1, 2 * number + 2) | {"reason": "dropped"}],
        )
        for number in range(count)
    ]
    first = Counted(type="import", id="first", seq=1, files={"add": [told | {"path": "x", "role": "events"}]})
    return [first, *between, Counted(type="retract", id="r", seq=count + 2, retracts="first")]


def counting(below, taken):
    """A function that notes how many ranges it is handed."""

    def step(*given):
        listed = [one if isinstance(one, Span) else list(one) for one in given]
        taken.append(sum(1 if isinstance(one, Span) else len(one) for one in listed))
        return below(*listed)

    return step


def test_a_ledger_of_twice_as_many_entries_takes_twice_the_steps(monkeypatch):
    def steps(count: int) -> int:
        taken: list[int] = []
        Counted.looks = 0
        with monkeypatch.context() as patch:
            for name in ("merge", "subtract"):
                patch.setattr(coverage, name, counting(getattr(coverage, name), taken))
            ledger = Ledger(None, tuple(entries(count)), ())
            assert len(collected(ledger)) == count - 1  # the first hour is what the retracted import had
            assert len(list(tables(ledger)["gaps"].rows())) == count
        return sum(taken) + Counted.looks

    assert steps(400) < 2.2 * steps(200)
