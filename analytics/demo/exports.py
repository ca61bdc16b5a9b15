"""What the made-up company's sources hand over: the Console's events, a late export, and an API server's own log."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache

from kubedossier.analytics.demo.actions import ACTIONS
from kubedossier.analytics.demo.cast import PAY, Cluster
from kubedossier.analytics.demo.habits import SEED, deeds_of
from kubedossier.analytics.demo.incident import incident_of, left_quiet
from kubedossier.analytics.demo.oddities import odd_records
from kubedossier.analytics.demo.records import Deed, audit_event, console_record, encode
from kubedossier.analytics.periods import Period, parse_period

LAB = Cluster("lab-k3s", "others", "", ("All",), {"lab": ("sandbox", "runner")})


def months(now: datetime) -> tuple[Period, Period]:
    """The last full month before ``now`` (aware UTC), and the one before it."""
    last = parse_period("last-month", now=now)
    return last, last.previous()


def console_events(now: datetime) -> tuple[bytes, ...]:
    """All records of the Console: the last full month and the one before it, by time; JSON, one object each."""
    return tuple(raw for _, raw in _timed(months(now)[0]))


def late_export(now: datetime) -> bytes:
    """A small NDJSON export of the month's last days.

    It repeats 60 of the Console's events byte for byte, holds six that came too late for it, and five lines that no
    event can be read from: cut short, a page of HTML, not UTF-8, an error message, NaN.
    """
    month = months(now)[0]
    repeated = [raw for _, raw in _timed(month)][-75:-15]
    late = [encode(console_record(deed)) for deed in _late(month)]
    broken = [
        late[0][:311],
        b"<html><head><title>502 Bad Gateway</title></head><body>upstream is gone</body></html>",
        late[1].replace(b"payments", b"pay\xff\xfements", 1),
        b'{"err":"rate limit exceeded, try again in 30 s"}',
        late[2].replace(b'{"time"', b'{"weight":NaN,"time"', 1),
    ]
    lines = [*repeated, *late, *broken]
    random.Random(f"{SEED} late {month.label}").shuffle(lines)
    return b"\n".join(lines) + b"\n"


def audit_log(now: datetime) -> bytes:
    """The audit.k8s.io log of one more cluster, ``lab-k3s``: NDJSON, with two stages of each request."""
    month = months(now)[0]
    rng = random.Random(f"{SEED} lab {month.label}")
    kinds = ("exec", "read secret", "run pod", "list secrets", "bind role", "port forward", "privileged pod")
    lines = []
    at = month.start + timedelta(days=9, hours=8)
    for _ in range(60):
        at += timedelta(minutes=rng.expovariate(1 / 90), milliseconds=rng.randrange(1000))
        app = rng.choice(LAB.namespaces["lab"])
        deed = Deed(
            at, LAB, rng.choice(("meilin.chen@example.com", "system:admin")), ("system:masters",), "198.51.100.58",
            "kubectl/v1.32.8 (linux/amd64) kubernetes/9d0c1e2", ACTIONS[rng.choice(kinds)], "lab", app,
            granted_by="cluster-admin",
        )  # fmt: skip
        lines += [encode(audit_event(deed, stage)) for stage in ("RequestReceived", "ResponseComplete")]
    return b"\n".join(lines) + b"\n"


@lru_cache(maxsize=2)
def _timed(month: Period) -> tuple[tuple[datetime, bytes], ...]:
    """Every record of the Console with the moment it belongs to, by time."""
    last_day = (month.end - timedelta(microseconds=1)).date()
    deeds = [
        deed
        for day in _days(month.previous().start.date(), last_day)
        for deed in deeds_of(day)
        if deed.time < month.end and not left_quiet(deed, month.start.date())
    ]
    deeds += incident_of(month.start.date())
    timed = [(deed.time, encode(console_record(deed))) for deed in deeds]
    return tuple(sorted(timed + odd_records(month.start.date())))


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def _late(month: Period) -> Iterator[Deed]:
    for number in range(6):
        yield Deed(
            month.end - timedelta(hours=20, minutes=11 * number, milliseconds=83 * number), PAY,
            "fatima.zahra@example.com", ("example:developer",), "198.51.100.110", "kubectl/v1.32.8 (linux/amd64)",
            ACTIONS[("exec", "port forward", "read secret")[number % 3]], "payments",
            PAY.namespaces["payments"][number % 4],
        )  # fmt: skip
