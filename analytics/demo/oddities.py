"""The odd records that real sources send: each is kept by an archive, and none may cost another record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from kubedossier.analytics.demo.actions import ACTIONS
from kubedossier.analytics.demo.cast import CRM, EDGE, SHOP
from kubedossier.analytics.demo.records import Deed, console_record, encode

JSON = dict[str, Any]


def odd_records(month: date) -> list[tuple[datetime, bytes]]:
    """Each odd record with the moment it belongs to; as the Console would send it.

    Without a usable time are four, of an unknown technique one, of wrong types three; the others hold names that are
    hostile to a terminal, a spreadsheet, a page or a path, and text in several scripts.
    """
    first = datetime.combine(month.replace(day=1), time(9, 30), UTC)
    found = []
    for number, change in enumerate(_CHANGES):
        deed = _deed(first + timedelta(days=number + 2, minutes=7 * number, milliseconds=11 * number), number)
        record = console_record(deed)
        change(record)
        found.append((deed.time, encode(record)))
    twice = _deed(first + timedelta(days=20, minutes=3), 0)
    text = encode(console_record(twice)).replace(b'{"time"', b'{"cluster":"shop-prod","time"', 1)
    return [*found, (twice.time, text)]


def _deed(at: datetime, number: int) -> Deed:
    cluster = (EDGE, CRM, SHOP)[number % 3]
    namespace = next(iter(cluster.namespaces))
    action = ACTIONS[("exec", "read secret", "workload")[number % 3]]
    return Deed(
        at, cluster, "jonas.weber@example.com", ("example:platform",), "198.51.100.34", "kubectl/v1.32.8", action,
        namespace, cluster.namespaces[namespace][0],
    )  # fmt: skip


def _set(**fields: Any) -> Callable[[JSON], None]:
    return lambda record: record.update(fields)


def _rename(user: str) -> Callable[[JSON], None]:
    return lambda record: record.update(user={"username": user})


def _drop(name: str) -> Callable[[JSON], None]:
    def dropped(record: JSON) -> None:
        del record[name]

    return dropped


def _cut_blob(record: JSON) -> None:
    record["eventBlob"] = record["eventBlob"][:400]


_CHANGES: tuple[Callable[[JSON], None], ...] = (
    _drop("time"),
    _set(time="yesterday, at noon"),
    _set(time="0001-01-01T00:00:00Z"),
    _set(time=None),
    _set(attackTechniques=["execIntoContainer", "containerDrift"]),
    _set(sourceIPs="198.51.100.34"),
    _set(user="jonas.weber@example.com"),
    _set(authorizationInfo="allow"),
    _set(riskScore=7, labels={"team": "sites"}),
    _set(collections=None, attackTechniques=None, sourceIPs=None),
    _cut_blob,
    _rename("山田.太郎@example.com"),
    _rename('=HYPERLINK("http://203.0.113.9","payroll")'),
    _rename("<script>alert('audit')</script>"),
    _rename("\x1b[31mroot\x1b[0m"),
    _rename("gnp.exe\u202etxt@example.com"),
    _set(resources="core/v1/namespaces/../../etc/pods/{{7*7}}/exec"),
    _set(message="Exec or attach to a pod detected\r\nSet-Cookie: a=b"),
)
