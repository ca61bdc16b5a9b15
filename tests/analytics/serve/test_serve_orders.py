"""The order of events: every place of it is reached without walking there, and it is one total order."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.serve import orders, pages
from kubedossier.analytics.serve.orders import FieldOrder, TimeOrder
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.parameters import Asked

FIRST = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory, make_audits):
    """Crowds, ties, lone events years apart, and some without a time."""
    path = tmp_path_factory.mktemp("uneven") / "dossier"
    random_ = random.Random(5)
    crowd = [FIRST + timedelta(seconds=random_.randrange(300)) for _ in range(120)]
    spread = [FIRST + timedelta(hours=random_.randrange(-20_000, 20_000), seconds=7) for _ in range(60)]
    make_audits(path, [*crowd, *spread, *[None] * 7])
    return path


@pytest.fixture(scope="module")
def make_audits():
    from kubedossier.analytics.ingest.intake import Intake
    from kubedossier.analytics.ingest.row import Record

    def make(path, times):
        with Intake(path, kind="import") as intake:
            for number, time in enumerate(times):
                moment = "" if time is None else f'"time":"{time:%Y-%m-%dT%H:%M:%SZ}",'
                raw = f'{{{moment}"verb":"get","user":{{"username":"u{number % 3}"}},"message":"{number}"}}'
                intake.add([Record(raw.encode(), "console-json")])
            intake.commit({})

    return make


@pytest.mark.parametrize("crowded", [1, 3, 20_000])
@pytest.mark.parametrize("asked", [
    Asked(),
    Asked(reverse=True),
    Asked(users=("u1",)),
    Asked(users=("u1", "u2"), reverse=True),
    Asked(start_ms=int(FIRST.timestamp() * 1000), end_ms=int(FIRST.timestamp() * 1000) + 200_000),
    Asked(users=("nobody",)),
])  # fmt: skip
def test_any_stretch_of_the_order_by_time_is_that_of_the_whole_order(uneven, monkeypatch, asked, crowded):
    monkeypatch.setattr(orders, "CROWDED", crowded)
    archive = Archive(uneven)
    order, whole = TimeOrder(archive, asked), FieldOrder(archive, asked)
    assert order.total == whole.total
    everything = whole.keys(0, whole.total).to_pylist()
    assert order.keys(0, order.total).to_pylist() == everything
    for start in range(0, order.total, 17):
        end = min(start + 19, order.total)
        assert order.keys(start, end).to_pylist() == everything[start:end]


def test_what_is_kept_of_the_order_by_time_is_small(uneven):
    assert TimeOrder(Archive(uneven), Asked()).size_bytes <= (61 + 1) * 3 * 8


def test_orders_are_kept_up_to_a_number_of_bytes(uneven, monkeypatch):
    monkeypatch.setattr(pages, "_ORDER_BYTES", 10_000)
    served = Pages(uneven)
    for sort in ("verb", "message", "user", "cluster", "provider"):
        for offset in (0, 180):
            assert served.page(Asked(sort=sort, offset=offset, limit=7)).rows
    kept = [one.order.size_bytes for one in served._orders.values()]
    assert len(kept) >= 1
    assert sum(kept) <= 10_000 or len(kept) == 1


def test_many_who_ask_at_once_wait_for_one_answer(uneven, monkeypatch):
    made = []
    plain = TimeOrder.__init__

    def counted(self, source, asked):
        made.append(asked)
        plain(self, source, asked)

    monkeypatch.setattr(TimeOrder, "__init__", counted)
    served = Pages(uneven)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: served.page(Asked(offset=n * 11, limit=11)), range(17)))
    assert len(made) == 1
    assert sum(len(one.rows) for one in found) == 187


def test_an_order_that_failed_is_worked_out_again(uneven, monkeypatch):
    served = Pages(uneven)
    with monkeypatch.context() as broken:
        broken.setattr(Archive, "select", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            served.page(Asked())
    assert served.page(Asked()).total == 187
