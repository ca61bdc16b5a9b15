"""The configuration file: what a user writes once instead of typing it every day.

It is found in the current folder, then in the user's configuration folder, or named outright. A mistake in it
is an error that names the file, the line and the nearest known word: a misspelt key must never be passed over
in silence. It must never hold a secret either: a file that does is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.jobs import DeliveryConfig, JobConfig, mistake, moves
from kubedossier.analytics.own_rules import OwnRule, OwnRules
from kubedossier.analytics.own_rules import mistake as mistake_in_rules
from kubedossier.analytics.there import is_file
from kubedossier.analytics.threshold_tables import read_thresholds
from kubedossier.analytics.thresholds import Thresholds
from kubedossier.analytics.toml_tables import Tables, Where, nearest, parsed

FILE_NAME = "kubedossier.toml"
PAPERS = ("a4", "letter")
FORMATS = ("pdf", "html", "json")
_SECRETS = ("password", "token", "secret", "access_key", "secret_key", "api_key")
_WHERE_SECRETS_GO = (
    "Give it in the environment (KUBEDOSSIER_PASSWORD, KUBEDOSSIER_TOKEN), in a file named by password_file, "
    "or in the keyring."
)


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """A Console to snapshot: one table ``[console.NAME]``. What is None was not said."""

    name: str
    url: str
    username: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    project: str | None = None
    api_version: str | None = None
    page_size: int | None = None
    connections: int | None = None
    overlap: str | None = None
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    insecure: bool | None = None


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """What a report is to cover and how it looks: one table ``[report.NAME]``. What is None was not said."""

    name: str
    title: str | None = None
    organisation: str | None = None
    frameworks: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    period: str | None = None
    paper: str | None = None
    formats: tuple[str, ...] = ()
    logo: Path | None = None
    classification: str | None = None
    audience: str | None = None
    prepared_by: str | None = None
    reviewer: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All that the configuration file says. Relative paths in it are relative to the file's own folder.

    Attributes:
        path: the file it was read from; None when there is none, and then everything else is empty.
        archive: the archive's folder.
        queries: a folder of the user's own .sql files; sections: one of sections; frameworks: one of catalogues.
        consoles: the Consoles by name.
        reports: the reports by name.
        findings: what the rules of reports compare with.
        jobs: what to do at set times, in the file's order.
        techniques: what is changed in the table of technique rules.
    """

    path: Path | None = None
    archive: Path | None = None
    queries: Path | None = None
    sections: Path | None = None
    frameworks: Path | None = None
    consoles: dict[str, ConsoleConfig] = field(default_factory=dict)
    reports: dict[str, ReportConfig] = field(default_factory=dict)
    findings: Thresholds = field(default_factory=Thresholds)
    jobs: tuple[JobConfig, ...] = ()
    techniques: OwnRules = field(default_factory=OwnRules)

    def console(self, name: str | None = None) -> ConsoleConfig | None:
        """The Console of that name; without a name the only one there is, or None.

        Raises:
            UsageError: there is none of that name, or there are several and no name was given.
        """
        if name is None:
            if len(self.consoles) > 1:
                raise UsageError(
                    f"'{self.path}' names several Consoles",
                    hint=f"Say which: --console {' or '.join(self.consoles)}",
                )
            return next(iter(self.consoles.values()), None)
        if name not in self.consoles:
            raise UsageError(f"No [console.{name}] in the configuration", hint=nearest(name, self.consoles))
        return self.consoles[name]

    def report(self, name: str) -> ReportConfig:
        """The report of that name; ``monthly`` is always there.

        Raises:
            UsageError: there is none of that name.
        """
        if name == "monthly":
            return self.reports.get(name, ReportConfig("monthly"))
        if name not in self.reports:
            hint = nearest(name, ["monthly", *self.reports])
            raise UsageError(f"No [report.{name}] in the configuration", hint=hint)
        return self.reports[name]


def find_config(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Path | None:
    """The configuration file that holds here: in the (current) folder, else the user's own, else None."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    candidates = ((folder or Path()) / FILE_NAME, Path(home) / "kubedossier" / FILE_NAME)
    return next((path for path in candidates if is_file(path)), None)


def read_config(path: Path | None) -> Config:
    """Read a configuration file; None is the empty configuration.

    Raises:
        UsageError: it cannot be read, is no TOML, or holds an unknown key, a wrong value or a secret.
    """
    if path is None:
        return Config()
    data, text = parsed(path, "the configuration")
    return _Reader(path, text, (DeliveryConfig, OwnRule)).config(data)


class _Reader(Tables):
    """Turns the parsed file into a Config."""

    def config(self, data: dict[str, Any]) -> Config:
        folders = ("archive", "queries", "sections", "frameworks")
        self.known(data, (*folders, "console", "report", "findings", "job", "techniques"), ())
        consoles = {
            name: self.row(ConsoleConfig, table, ("console", name), name=name)
            for name, table in self.table(data.get("console", {}), ("console",)).items()
        }
        reports = {
            name: self.row(ReportConfig, table, ("report", name), name=name)
            for name, table in self.table(data.get("report", {}), ("report",)).items()
        }
        jobs = tuple(self.row(JobConfig, table, ("job", str(n))) for n, table in enumerate(self.array(data, ("job",))))
        for console in consoles.values():
            self.check_console(console)
        for report in reports.values():
            if report.paper not in (None, *PAPERS):
                self.fail(("report", report.name, "paper"), "must be 'a4' or 'letter'")
            if not set(report.formats) <= set(FORMATS):
                self.fail(("report", report.name, "formats"), f"must be a list of {', '.join(FORMATS)}")
        for n in range(len(jobs)):
            self.check_job(n, jobs, consoles, reports)
        techniques = self.row(OwnRules, data.get("techniques", {}), ("techniques",))
        if found := mistake_in_rules(techniques):
            self.fail(("techniques", *found[0], found[1].key), found[1].what, found[1].hint)
        paths = {key: self.value("Path", data[key], (key,)) for key in folders if key in data}
        return Config(
            self.place if isinstance(self.place, Path) else None,
            consoles=consoles,
            reports=reports,
            findings=read_thresholds(self, self.table(data.get("findings", {}), ("findings",))),
            jobs=jobs,
            techniques=techniques,
            **paths,
        )

    def check_console(self, console: ConsoleConfig) -> None:
        where = ("console", console.name, "url")
        if not console.url.startswith(("https://", "http://")):
            self.fail(where, "must be an address that starts with https://")
        if "@" in console.url.split("://", 1)[1].split("/", 1)[0]:
            self.fail(
                where,
                "holds a user name or password, which does not belong into an address",
                _WHERE_SECRETS_GO,
            )

    def check_job(self, n: int, jobs: tuple[JobConfig, ...], consoles: dict[str, Any], reports: dict[str, Any]) -> None:
        job = jobs[n]
        if found := mistake(job, [other.name for other in jobs[:n]]):
            self.fail(("job", str(n), found.key), found.what, found.hint)
        if job.console is not None and job.console not in consoles:
            self.fail(
                ("job", str(n), "console"),
                f"names no [console.{job.console}]",
                nearest(job.console, consoles),
            )
        if job.report is not None and job.report not in ("monthly", *reports):
            hint = nearest(job.report, ["monthly", *reports])
            self.fail(("job", str(n), "report"), f"names no [report.{job.report}]", hint)
        fixed = reports[job.report or "monthly"].period if (job.report or "monthly") in reports else None
        if job.run == "report" and job.period is None and fixed and not moves(fixed):
            what = f"would be of the same period each time: its report's period is '{fixed}'"
            self.fail(("job", str(n), "run"), what, "Give the job a period, such as last-month.")

    def known(self, table: dict[str, Any], keys: Iterable[str], where: Where) -> None:
        """Refuse a secret, and a key that is none of those."""
        for key in table:
            if key not in keys and key.lower() in _SECRETS:
                self.fail((*where, key), "is a secret, and secrets do not belong into this file", _WHERE_SECRETS_GO)
        super().known(table, keys, where)
