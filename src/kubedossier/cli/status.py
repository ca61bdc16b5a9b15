"""``kubedossier status``: what was collected, what is missing, and the head."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.output import counted, visible, write_line

if TYPE_CHECKING:
    from kubedossier.analytics.status import Day, Status

_MARKS = {
    "collected": "■",
    "collected, empty": "□",
    "partial": "◧",
    "not collected": "·",
    "may have been dropped": "!",
    "imported": "i",
}
_LEGEND = (
    "■ collected   □ collected, 0 events   ◧ partly collected   · not collected",
    "i imported, not attested   ! may have been dropped by the Console",
)
_REASONS = {
    "dropped": "may have been dropped by the Console",
    "unwindowed": "records without a time, not fetched",
    "unstable": "the count changed while it was read",
    "interrupted": "the run was interrupted",
    "failed": "the run failed",
}


@click.command(
    epilog=example(
        """
kubedossier status
kubedossier status --period 2026-Q3
kubedossier status -f json
"""
    )
)
@click.option("--period", help="What the calendar shows.  [default: the newest month]")
@click.option(
    "-f",
    "--format",
    "shape",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to write it.  [default: text]",
)
@click.pass_obj
def command(settings: Settings, period: str | None, shape: str) -> None:
    """Show what was collected, what is missing, and the head.

    The calendar tells days without events apart: collected and empty, not collected, or perhaps dropped by the
    Console before they were read.
    """
    from datetime import UTC, datetime

    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import parse_period
    from kubedossier.analytics.status import read_status
    from kubedossier.analytics.store.damage import settled

    settings.apply_rules()
    root = settings.archive_path()
    chosen = parse_period(period, now=datetime.now(UTC)) if period else None
    status = settled(lambda: read_status(Archive(root), chosen))
    if shape == "json":
        write_line(json.dumps(_plain(status), indent=2, sort_keys=True))
        return
    _show(str(root), status)


def _show(path: str, status: Status) -> None:
    total = sum(month.bytes for month in status.months)
    records = sum(month.records for month in status.months)
    parts = sum(month.files for month in status.months)
    known = "witnessed here" if status.witnessed else "not witnessed here"
    rows = [
        ("Archive", f"{path}  {status.archive_id}"),
        ("Head", f"{status.head[0]}:{status.head[1][:16]}…  {status.head_at[:19]}Z, {known}"),
        ("Stored", f"{counted(records, 'record')}, {_size(total)} in {counted(parts, 'file')}"),
        ("Received", _counts(status)),
    ]
    for console, end in sorted(status.last_collected.items()):
        rows.append(("Collected", f"{console or 'Console'} up to {end:%Y-%m-%d %H:%M:%S} UTC"))
    if not status.last_collected:
        rows.append(("Collected", "nothing from a Console; imports are not attested to be complete"))
    if status.retracted:
        rows.append(("Retracted", f"{counted(status.retracted, 'snapshot')}, out of all views"))
    rows += _judged(status)
    for name, text in rows:
        write_line(f"{name:<10} {visible(text)}")
    for month in status.months:
        size, files = _size(month.bytes), counted(month.files, "file")
        write_line(f"  {month.month:<8} {month.records:>12,} records  {size:>10}  {files:>10}")
    _show_calendar(status)
    _show_gaps(status)


def _judged(status: Status) -> list[tuple[str, str]]:
    """What rules say of stored techniques that are in force no longer; nothing where there are none."""
    judged = status.judged
    if judged.unreadable:
        return [("Techniques", f"by which rules cannot be told: {judged.unreadable}")]
    rules = f"by rules {', '.join(judged.others)}, in force is {judged.version}"
    rows = []
    if judged.records:
        where = judged.months[0] if len(judged.months) == 1 else f"{len(judged.months)} months"
        what = f"files of {where} with {counted(judged.records, 'record')}"
        rows.append(("Techniques", f"{what}: judged {rules}; kubedossier techniques --rederive"))
    if judged.sealed_files:
        rows.append(("Techniques", f"{counted(judged.sealed_files, 'sealed file')}: judged {rules}; left as sealed"))
    return rows


def _show_calendar(status: Status) -> None:
    months: dict[str, dict[str | None, list[Day]]] = {}
    for name, days in status.calendar.items():
        for day in days:
            months.setdefault(f"{day.day:%B %Y}", {}).setdefault(name, []).append(day)
    for month, rows in months.items():
        write_line()
        write_line(f"{month} (UTC)")
        for name, row in rows.items():
            label = _shortened("all clusters" if name is None else visible(name), 22)
            marks = " " * (row[0].day.day - 1) + "".join(map(_mark, row))
            write_line(f"  {label:<22} {marks:<31} {sum(day.events for day in row):>12,} events")
    for line in _LEGEND:
        write_line(f"  {line}")


def _show_gaps(status: Status) -> None:
    if status.gaps:
        write_line()
        write_line("Gaps")
        for gap in status.gaps:
            start = f"{gap.start:%Y-%m-%d %H:%M}" if gap.start else "the beginning"
            end = f"{gap.end:%Y-%m-%d %H:%M}" if gap.end else "the end"
            write_line(f"  {start} to {end}  {_REASONS.get(gap.reason, gap.reason)}")
    if status.drift:
        write_line()
        write_line("Kept, but odd (schema drift)")
        for flag, count in sorted(status.drift.items(), key=lambda item: (-item[1], item[0])):
            write_line(f"  {count:>12,}  {visible(flag)}")
    if status.rejects:
        write_line()
        write_line(f"{status.rejects:,} records could not be read: kubedossier rejects")


def _mark(day: Day) -> str:
    state = "collected, empty" if day.state == "collected" and not day.events else day.state
    return _MARKS.get(state, "?")


def _counts(status: Status) -> str:
    counts = status.counts
    return (
        f"{counts.get('received', 0):,}: {counts.get('new', 0):,} new, {counts.get('duplicate', 0):,} duplicate, "
        f"{counts.get('rejected', 0):,} rejected"
    )


def _size(size_bytes: int) -> str:
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= scale:
            return f"{size_bytes / scale:,.1f} {unit}"
    return f"{size_bytes} B"


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    half = (width - 1) // 2
    return f"{text[:half]}…{text[len(text) - (width - 1 - half) :]}"


def _plain(status: Status) -> dict[str, Any]:
    """The status as JSON values; calendar rows as a list, since a cluster's name may be null."""
    fields = dataclasses.asdict(status)
    fields["head"] = {"seq": status.head[0], "sha256": status.head[1]}
    fields["period"] = {"start": status.period.start.isoformat(), "end": status.period.end.isoformat()}
    fields["last_collected"] = {name: end.isoformat() for name, end in status.last_collected.items()}
    fields["calendar"] = [
        {"cluster": name, "days": [{"date": f"{day.day}", "events": day.events, "state": day.state} for day in days]}
        for name, days in status.calendar.items()
    ]
    fields["gaps"] = [
        {
            "console": gap.console,
            "start": gap.start and gap.start.isoformat(),
            "end": gap.end and gap.end.isoformat(),
            "reason": gap.reason,
        }
        for gap in status.gaps
    ]
    return fields
