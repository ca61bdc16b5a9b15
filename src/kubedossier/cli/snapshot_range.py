"""What a snapshot is asked for: its range, its filters and its pace, from options and the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.errors import UsageError

if TYPE_CHECKING:
    from kubedossier.analytics.config import ConsoleConfig
    from kubedossier.analytics.ingest.console_plan import Wanted

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def check_range(given: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other, before anybody is asked for anything.

    Raises:
        UsageError: they do, or one of them cannot be read.
    """
    start, end = _moment("--from", given["start"]), _moment("--to", given["end"])
    if start and end and start >= end:
        raise UsageError("The range is empty: --from is not before --to")
    if start and given["everything"]:
        raise UsageError("--from-start and --from contradict each other")


def wanted_of(named: ConsoleConfig, given: Mapping[str, Any]) -> Wanted:
    """The range, the filters and the pace of a snapshot; what is not given is as the configuration says.

    Raises:
        UsageError: an option cannot be read.
    """
    from kubedossier.analytics.ingest.console_address import Filters
    from kubedossier.analytics.ingest.console_plan import Wanted

    return Wanted(
        start=_moment("--from", given["start"]),
        end=_moment("--to", given["end"]),
        overlap=_duration(given["overlap"] or named.overlap or "24h"),
        filters=Filters(given["users"], given["techniques"], given["clusters"]),
        everything=given["everything"],
        page_size=given["page_size"] or named.page_size or 50,
        connections=given["connections"] or named.connections or 4,
    )


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: '{text}' is not a moment", hint="Write 2026-10-01 or 2026-10-01T08:30:00Z."
        ) from None
    if not 2014 <= moment.year < 2100:
        raise UsageError(f"{option}: '{text}' lies outside of 2014 to 2099")
    return moment


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None:
        raise UsageError(f"--overlap: '{text}' is not a duration", hint="Write 24h, 90m or 7d.")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
