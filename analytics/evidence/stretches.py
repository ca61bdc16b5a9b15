"""What the ledger attests about the collection of a month, as a table and in words; from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from kubedossier.analytics.coverage import collected, tables
from kubedossier.analytics.evidence import cells
from kubedossier.analytics.evidence.subject import Subject
from kubedossier.analytics.store.ledger import Ledger, time_text

_HOUR = timedelta(hours=1)


def collected_csv(ledger: Ledger, subject: Subject) -> bytes:
    """The stretches of a month that were collected, and the known gaps: half-open, UTC, by Console and start."""
    parts = [cells.header(("console", "from", "to", "state"))]
    for console, start, end, state in sorted(_stretches(ledger, subject)):
        parts.append(cells.text_line((console, time_text(start), time_text(end), state)))
    return b"".join(parts)


def hours(ledger: Ledger, subject: Subject) -> tuple[list[tuple[str, int]], int]:
    """Whole hours that were collected, by Console, and the hours of the month."""
    if subject.start is None or subject.end is None:
        return [], 0
    found: dict[str, timedelta] = {}
    for console, start, end, state in _stretches(ledger, subject):
        if state == "collected":
            found[console] = found.get(console, timedelta()) + (end - start)
    return [(console, length // _HOUR) for console, length in sorted(found.items())], (
        subject.end - subject.start
    ) // _HOUR


def _stretches(ledger: Ledger, subject: Subject) -> Iterator[tuple[str, datetime, datetime, str]]:
    known = [(one.console, one.start, one.end, "collected") for one in collected(ledger)]
    known += [
        (gap["console"], _aware(gap["start"]), _aware(gap["end"]), f"gap: {gap['reason']}")
        for gap in tables(ledger)["gaps"].rows()
    ]
    if subject.start is None or subject.end is None:
        return
    for console, start, end, state in known:
        first, last = max(start, subject.start), min(end, subject.end)
        if first < last:
            yield console, first, last, state


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
