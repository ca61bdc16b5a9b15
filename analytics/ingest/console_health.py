"""Asks a Console whether a snapshot would work: reachable and trusted, clock, login, API, permission, in this order.

Nothing is changed and no event is kept. The first thing that fails ends it, for what comes after rests on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kubedossier.analytics.checks import Check
from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.ingest.console import Console
from kubedossier.analytics.ingest.console_answer import time_in
from kubedossier.analytics.ingest.console_survey import Survey, survey
from kubedossier.analytics.ingest.times import from_micros

SKEW_S = 60.0
"""How far the clocks may be apart: a token's life, and the end of what was collected, rest on them."""


def examine(console: Console, *, now: datetime) -> Iterator[Check]:
    """Look at a Console, step by step.

    Args:
        console: not asked anything yet.
        now: aware UTC, of this machine.
    """
    step = "address"
    try:
        headers = console.hail()
        yield Check(step, "warning" if console.trust.insecure else "ok", *_reached(console))
        yield from _clock(headers.get("date", ""), now)
        step = "login"
        kind = console.log_in()
        yield Check(step, "ok", f"'{console.login.account or 'a ready token'}' is let in ({kind})")
        step = "events"
        yield Check(step, "ok", _has(console, survey(console)))
    except SourceError as error:
        yield Check(step, "failed", error.message, error.hint)


def _reached(console: Console) -> tuple[str, str]:
    where = console.address.base
    if console.certificate_sha256 is None:
        return f"{where} answers, without TLS", ""
    if console.trust.insecure:
        return f"{where} answers; its certificate is not checked", "Give its authority with --ca-bundle FILE."
    return f"{where} answers, with a trusted certificate (SHA-256 {console.certificate_sha256[:16]})", ""


def _clock(date: str, now: datetime) -> Iterator[Check]:
    """The Console's clock against this machine's, where it tells the time."""
    told = time_in(date)
    if told is None:
        return
    apart = (now - told).total_seconds()
    if abs(apart) <= SKEW_S:
        yield Check("clock", "ok", f"within {SKEW_S:.0f} seconds of this machine's")
        return
    words = f"this machine is {abs(apart):,.0f} seconds {'ahead' if apart > 0 else 'behind'}"
    yield Check("clock", "warning", words, "Set both clocks by NTP: coverage ends where this machine says.")


def _has(console: Console, found: Survey) -> str:
    version = f"Console {found.version or 'of an unknown version'}, API {console.address.api_version}"
    if found.total is None:
        return f"{version}: events may be read; it gives no count of them"
    oldest = f", the oldest of {from_micros(found.oldest):%Y-%m-%d %H:%M} UTC" if found.oldest is not None else ""
    events = f"{found.total:,} event{'' if found.total == 1 else 's'}"
    return f"{version}: {events} may be read{oldest}"
