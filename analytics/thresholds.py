"""What the rules of a report compare with: the table ``[findings]`` of the configuration, with its defaults.

Each value says here what it means and what it may be; the listing of ``kubedossier finding rules`` and the errors of
the configuration are made from that, so that neither can drift. A rule about the record itself has no value here: no
configuration may make a report say less about its own holes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, time, tzinfo
from functools import cache
from typing import Any, Literal, get_args

from kubedossier.analytics.timetable import Timetable

Severity = Literal["exception", "review", "off"]
SEVERITIES: tuple[str, ...] = get_args(Severity)
ABOUT_THE_RECORD = ("completeness", "failing-snapshots", "accounting", "population", "integrity")
"""Rules that can be neither turned off nor rated anew."""
RATED = (
    "wide-rights", "impaired-defences", "off-hours-newcomers", "off-hours-secrets", "bulk-secrets", "anonymous",
    "newcomers", "role-changes", "secret-access", "interactive-access", "elevated", "burst", "silent-clusters",
    "denied", "volume", "vocabulary",
)  # fmt: skip
"""Rules with a table ``[findings.NAME]``; each may have a ``severity``."""
ABOUT_ACTIONS = RATED[: RATED.index("anonymous")] + RATED[RATED.index("newcomers") : RATED.index("silent-clusters")]
"""Rules about what identities did: these can leave known ones aside."""
_DAYS = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Fri": "Friday",
    "Sat": "Saturday",
    "Sun": "Sunday",
}
WEEKDAYS = tuple(_DAYS)


def _value(default: Any, text: str, *, least: float | None = None, most: float | None = None) -> Any:
    return field(default=default, metadata={"text": text, "least": least, "most": most})


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """When people work: for the rules about what happens outside of it. Wide, for offices lie in several zones."""

    opens: str = _value("06:00", "when office hours begin")
    closes: str = _value("20:00", "when they end; the minute itself lies outside")
    days: tuple[str, ...] = _value(WEEKDAYS[:5], "days with office hours: Mon, Tue, Wed, Thu, Fri, Sat, Sun")
    timezone: str = _value("UTC", "where these are read, such as Europe/Berlin")

    def excludes(self, moment: datetime) -> bool:
        """Whether a moment, aware, lies outside office hours."""
        local = moment.astimezone(_zone(self.timezone))
        return WEEKDAYS[local.weekday()] not in self.days or not (
            clock(self.opens) <= local.time().replace(second=0, microsecond=0) < clock(self.closes)
        )

    def words(self) -> str:
        """``Monday to Friday, 06:00 to 20:00 UTC``, with each day named where they do not follow each other."""
        held = [day for day in WEEKDAYS if day in self.days]
        first = WEEKDAYS.index(held[0])
        whole = len(held) > 2 and tuple(held) == WEEKDAYS[first : first + len(held)]
        days = f"{_DAYS[held[0]]} to {_DAYS[held[-1]]}" if whole else ", ".join(_DAYS[day] for day in held)
        return f"{days}, {self.opens} to {self.closes} {self.timezone}"


@dataclass(frozen=True, slots=True)
class BulkSecrets:
    """When reading secrets is reading in bulk."""

    secrets: int = _value(10, "different secrets of one identity", least=2)
    within_minutes: int = _value(60, "the time they are read in", least=1, most=1440)


@dataclass(frozen=True, slots=True)
class Anonymous:
    """What a caller without an identity may ask for."""

    open_paths: tuple[str, ...] = _value(
        ("/healthz", "/livez", "/readyz", "/version"), "paths open to everybody, with all below them"
    )

    def allows(self, path: str) -> bool:
        """Whether a path, perhaps with a query, is open to everybody."""
        return any(re.match(rf"{re.escape(one.rstrip('/'))}([/?]|$)", path) for one in self.open_paths)


@dataclass(frozen=True, slots=True)
class Burst:
    """When the privileged actions of one day are far above the identity's own usual day."""

    factor: float = _value(5.0, "times the median day of the identity", least=1)
    at_least: int = _value(20, "actions on the day", least=1)


@dataclass(frozen=True, slots=True)
class SilentClusters:
    """When a cluster has fallen silent."""

    days: int = _value(3, "last days of the period without an event", least=1, most=366)


@dataclass(frozen=True, slots=True)
class Denied:
    """When denied requests stand out."""

    share: float = _value(0.10, "part of all requests, from 0 to 1", least=0, most=1)
    growth: float = _value(2.0, "times the share of the period before", least=1)
    at_least: int = _value(10, "denied requests, for either to count", least=1)


@dataclass(frozen=True, slots=True)
class Volume:
    """When the number of events has moved."""

    change: float = _value(0.5, "part by which it rose or fell against the period before", least=0)


@dataclass(frozen=True, slots=True)
class Known:
    """An identity whose actions some rules leave aside: one table ``[[findings.known]]``, printed in the report.

    Attributes:
        identity: the whole name as the cluster authenticates it; no pattern.
        reason: why; it is printed.
        rules: which rules leave it aside.
    """

    identity: str
    reason: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All of ``[findings]``; what was not said is as it stands here.

    Attributes:
        severity: what a rule gives where it applies, instead of its own rating, by rule; ``off`` is not judged.
        known: identities that some rules leave aside.
    """

    office_hours: OfficeHours = field(default_factory=OfficeHours)
    bulk_secrets: BulkSecrets = field(default_factory=BulkSecrets)
    anonymous: Anonymous = field(default_factory=Anonymous)
    burst: Burst = field(default_factory=Burst)
    silent_clusters: SilentClusters = field(default_factory=SilentClusters)
    denied: Denied = field(default_factory=Denied)
    volume: Volume = field(default_factory=Volume)
    severity: tuple[tuple[str, Severity], ...] = ()
    known: tuple[Known, ...] = ()

    def severity_of(self, rule: str) -> Severity | None:
        """What the configuration says that a rule gives; None where it says nothing."""
        return dict(self.severity).get(rule)

    def known_to(self, rule: str) -> frozenset[str]:
        """The identities that a rule leaves aside."""
        return frozenset(one.identity for one in self.known if rule in one.rules)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a table: ``[findings.TABLE]``, its key, what it is, its default, what it means."""

    table: str
    key: str
    value: Any
    default: Any
    text: str


TABLES: dict[str, type[Any]] = {
    "office-hours": OfficeHours,
    "bulk-secrets": BulkSecrets,
    "anonymous": Anonymous,
    "burst": Burst,
    "silent-clusters": SilentClusters,
    "denied": Denied,
    "volume": Volume,
}
"""The tables with values of their own."""


def settings(held: Thresholds, table: str) -> Iterator[Setting]:
    """The values of one table, in order; none where the table has none."""
    if table not in TABLES:
        return
    values = getattr(held, table.replace("-", "_"))
    for one in fields(values):
        yield Setting(table, one.name, getattr(values, one.name), one.default, one.metadata["text"])


def plain(held: Thresholds) -> dict[str, Any]:
    """All values as JSON knows them, for the manifest of a report."""
    values = {
        table: {
            one.key: list(one.value) if isinstance(one.value, tuple) else one.value for one in settings(held, table)
        }
        for table in TABLES
    }
    known = [{"identity": one.identity, "reason": one.reason, "rules": list(one.rules)} for one in held.known]
    return {**values, "severity": dict(held.severity), "known": known}


def wrong(values: Any) -> tuple[str, str] | None:
    """The first key of a table whose value cannot be meant, and why; None where all can."""
    for one in fields(values):
        value, least, most = getattr(values, one.name), one.metadata["least"], one.metadata["most"]
        if least is not None and value < least:
            return one.name, f"must be at least {least:g}, not {value:g}"
        if most is not None and value > most:
            return one.name, f"must be at most {most:g}, not {value:g}"
    return _wrong_hours(values) if isinstance(values, OfficeHours) else _wrong_paths(values)


def _wrong_hours(hours: OfficeHours) -> tuple[str, str] | None:
    for key in ("opens", "closes"):
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", getattr(hours, key)):
            return key, "must be a time of the day such as 06:00"
    if clock(hours.opens) >= clock(hours.closes):
        return "closes", f"must be later than {hours.opens}"
    for day in hours.days:
        if day not in WEEKDAYS:
            return "days", f"holds '{day}', and days are {', '.join(WEEKDAYS)}"
    if not hours.days:
        return "days", "is empty"
    try:
        _zone(hours.timezone)
    except ValueError as error:
        return "timezone", str(error)
    return None


def _wrong_paths(values: Any) -> tuple[str, str] | None:
    if isinstance(values, Anonymous):
        for path in values.open_paths:
            if not re.fullmatch(r"/[A-Za-z0-9._-][A-Za-z0-9._/-]*", path):
                return "open_paths", f"holds '{path}', which is no path such as /healthz"
    return None


@cache
def _zone(name: str) -> tzinfo:
    return Timetable("* * * * *", name).zone


def clock(text: str) -> time:
    """``06:00`` as a time; ``24:00`` is the last moment of the day."""
    return time.max if text == "24:00" else time.fromisoformat(text)
