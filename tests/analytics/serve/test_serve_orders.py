"""The order of events: every place of it is reached without walking there, and it is one total order."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.serve import field_orders, orders, pages
from kubedossier.analytics.serve.field_orders import FieldOrder
from kubedossier.analytics.serve.orders import TimeOrder, conditions, key_sql, where_sql
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.parameters import SORT_KEYS, Asked
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.retention import collect_garbage

FIRST = datetime(2026, 10, 1, tzinfo=UTC)


def fields(number: int) -> dict[str, str]:
    """Of the event with that number: one of its own, one that most share, lists, and some that are absent."""
    found = {"message": f'"é {number}"', "cluster": '"prod"' if number % 10 else f'"c{number % 7}"'}
    if number % 4:
        found |= {"provider": f'"p{number % 4}"', "sourceIPs": f'["10.0.0.{number % 9}","private"]'}
    if number % 5 == 0:
        found |= {"attackTechniques": '["webShell"]' if number % 2 else "[]", "eventBlob": f'"{{{number}}}"'}
    return found


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
                names = "".join(f',"{name}":{value}' for name, value in fields(number).items())
                raw = f'{{{moment}"verb":"get","user":{{"username":"u{number % 3}"}}{names}}}'
                intake.add([Record(raw.encode(), "console-json")])
            intake.commit({})

    return make


def whole_order(archive, asked) -> list[dict]:
    """All of an order, sorted at once."""
    where, values = conditions(asked)
    direction = "desc" if asked.reverse else "asc"
    by = f"{key_sql(asked.sort)} {direction} nulls last, time nulls last, event_id"
    return archive.select(f"select time, event_id from events {where_sql(where)} order by {by}", values).to_pylist()


def stretches_agree(order, everything: list[dict]) -> None:
    assert order.total == len(everything)
    assert order.keys(0, order.total).to_pylist() == everything
    assert order.keys(order.total, order.total).to_pylist() == []
    for start in range(0, order.total, 17):
        end = min(start + 19, order.total)
        assert order.keys(start, end).to_pylist() == everything[start:end]


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
    order = TimeOrder(archive, *conditions(asked), reverse=asked.reverse)
    stretches_agree(order, whole_order(archive, asked))


@pytest.mark.parametrize("filters", [{"reverse": True}, {"users": ("u1", "u2")}])
@pytest.mark.parametrize(("sample", "cuts", "crowd"), [(20_000, 127, 100_000), (60, 9, 10), (187, 93, 0)])
@pytest.mark.parametrize("sort", sorted(SORT_KEYS.keys() - {"time"}))
def test_any_stretch_of_the_order_by_a_field_is_that_of_the_whole_order(
    uneven, monkeypatch, sort, sample, cuts, crowd, filters
):
    monkeypatch.setattr(field_orders, "SAMPLE_ROWS", sample)
    monkeypatch.setattr(field_orders, "CUTS", cuts)
    monkeypatch.setattr(field_orders, "CROWD", crowd)
    archive, asked = Archive(uneven), Asked(sort=sort, **filters)
    stretches_agree(FieldOrder(archive, asked), whole_order(archive, asked))


def test_what_is_kept_of_the_order_by_time_is_small(uneven):
    assert TimeOrder(Archive(uneven), [], {}).size_bytes <= (61 + 1) * 3 * 8


def test_what_is_kept_of_the_order_by_a_field_is_a_few_stretches(uneven, monkeypatch):
    monkeypatch.setattr(field_orders, "SAMPLE_ROWS", 187)
    monkeypatch.setattr(field_orders, "CUTS", 30)
    order = FieldOrder(Archive(uneven), Asked(sort="message"))
    order.keys(0, order.total)
    assert len(order._stretches) > 20
    assert len(order._kept) == 4


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

    def counted(self, *given, **named):
        made.append(given)
        plain(self, *given, **named)

    monkeypatch.setattr(TimeOrder, "__init__", counted)
    served = Pages(uneven)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: served.page(Asked(offset=n * 11, limit=11)), range(17)))
    assert len(made) == 1
    assert sum(len(one.rows) for one in found) == 187


@pytest.mark.parametrize("sort", ["time", "verb"])
@pytest.mark.parametrize("ask", ["a page", "a download"])
def test_files_that_are_replaced_and_deleted_meanwhile_are_asked_again(tmp_path, make_audits, monkeypatch, ask, sort):
    root = tmp_path / "dossier"
    make_audits(root, [FIRST + timedelta(minutes=number) for number in range(30)])
    served, current, writers = Pages(root), Pages._current, [compact, collect_garbage]

    def late(self):
        source = current(self)
        if writers:
            assert list(writers.pop(0)(root, FIRST + timedelta(days=90)))
            assert writers.pop(0)(root)
        return source

    monkeypatch.setattr(Pages, "_current", late)
    asked = Asked(sort=sort, limit=30)
    found = served.page(asked).rows if ask == "a page" else list(served.all(asked))
    assert (len(found), writers) == (30, [])


def test_an_order_that_failed_is_worked_out_again(uneven, monkeypatch):
    served = Pages(uneven)
    with monkeypatch.context() as broken:
        broken.setattr(Archive, "select", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            served.page(Asked())
    assert served.page(Asked()).total == 187


def test_any_number_of_costly_requests_leaves_room_for_the_others(serving, uneven, monkeypatch):
    free, begun = threading.Event(), threading.Semaphore(0)

    class Costly(FieldOrder):
        """Takes until it is let go."""

        def __init__(self, source, asked):
            begun.release()
            assert free.wait(60)
            super().__init__(source, asked)

    monkeypatch.setattr(pages, "FieldOrder", Costly)
    sorts = sorted(SORT_KEYS.keys() - {"time"})
    with serving(uneven) as served, ThreadPoolExecutor(60) as pool:
        costly = [pool.submit(served.get, [("sort", sorts[n % len(sorts)]), ("limit", str(1 + n))]) for n in range(60)]
        assert begun.acquire(timeout=30)
        assert served.get().headers["Total-Count"] == "187"
        assert served.get(path="/api/v1/audits/kubernetes/download").text.count("\n") == 188
        free.set()
        assert {one.result().status_code for one in costly} == {200}
