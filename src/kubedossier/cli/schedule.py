"""``kubedossier schedule``: the jobs of the configuration, done when they are due."""

from __future__ import annotations

import getpass
import json
import pwd
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.there import is_folder
from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import detail, say, warn
from kubedossier.cli.output import complete_file, visible, write_line, write_text
from kubedossier.cli.schedule_words import as_data, raise_worst, shown, tell, tell_error, told_state, what
from kubedossier.cli.schedule_work import Commands, Stop, stopping

if TYPE_CHECKING:
    from kubedossier.analytics.jobs import JobConfig
    from kubedossier.reports.installing import Call
    from kubedossier.reports.schedule import Schedule


@click.group(
    epilog=example(
        """
kubedossier schedule list
kubedossier schedule due
kubedossier schedule install cron | crontab -
"""
    )
)
def command() -> None:
    """Do what the configuration's jobs say, when they are due.

    A [[job]] in kubedossier.toml names what to run (snapshot or report), when (cron, timezone), and for a report where
    copies go (deliver). Either something calls 'schedule due' every few minutes, or 'schedule run' stays in the
    foreground. What was missed while the machine was off is caught up: each report once for each period, a snapshot
    once.
    """


@command.command(
    "list",
    epilog=example(
        """
kubedossier schedule list
kubedossier schedule list -f json | jq '.[].next[0]'
"""
    ),
)
@click.option("--count", type=click.IntRange(1, 100), default=2, show_default=True, help="How many next times to show.")
@click.option(
    "-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How."
)
@click.pass_obj
def list_(settings: Settings, count: int, format_: str) -> None:
    """Show each job's next times, its last run and how that ended.

    Times are UTC, and the job's own time zone beside it.
    """
    from kubedossier.reports.job_state import Book

    states, now = Book(settings.archive_path()).read(), Stop().now()
    jobs = _jobs(settings)
    times = {job.name: list(islice(job.timetable.after(now), count)) for job in jobs}
    if format_ == "json":
        found = [as_data(job, states.get(job.name), times[job.name]) for job in jobs]
        write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    for job in jobs:
        write_line(click.style(job.name, bold=True) + f"  {visible(what(job))}")
        for moment in times[job.name]:
            write_line(f"  next     {shown(job, moment)}")
        for line in told_state(job, states.get(job.name)):
            write_line(line)


@command.command(
    epilog=example(
        """
kubedossier schedule due
kubedossier schedule due --retry
"""
    )
)
@click.option("--retry", is_flag=True, help="Try at once what failed a moment ago.")
@click.pass_obj
def due(settings: Settings, retry: bool) -> None:
    """Do what is due and what was missed, then end.

    Call it as often as you like, from wherever you like: each period is done once, and of two calls at the same time
    one does nothing. It prints nothing when nothing is due.

    What fails is told on standard error, leaves nothing behind and is tried again by a later call: at once, then after
    5, 15 and 60 minutes. The exit code is the one of what failed.
    """
    from kubedossier.reports.job_state import AtWorkError

    jobs = _jobs(settings)
    with stopping() as stop:
        try:
            with stop.at_work():
                errors = [
                    error
                    for done in stop.between(_schedule(settings, jobs, stop).due(retry=retry))
                    if (error := tell(done))
                ]
        except AtWorkError:
            detail("Another process is at it.")
            return
    raise_worst(errors)


@command.command(
    epilog=example(
        """
kubedossier schedule run
kubedossier --log-format json schedule run
"""
    )
)
@click.pass_obj
def run(settings: Settings) -> None:
    """Stay in the foreground and do each job when it is due.

    SIGTERM and Ctrl-C end it: a snapshot keeps what arrived and goes on there the next time, a report that is not done
    leaves nothing behind. The configuration is read once; start it again after a change.
    """
    jobs = _jobs(settings)
    with stopping() as stop:
        say(f"{len(jobs):,} job{'s' * (len(jobs) > 1)}; SIGTERM or Ctrl-C ends it.")
        try:
            with stop.at_work():
                for done in stop.between(_schedule(settings, jobs, stop).run(stop)):
                    if error := tell(done):
                        tell_error(done.due.job.name, error)
        except KeyboardInterrupt:
            pass  # asked for
    say("Stopped.")


@command.command(
    short_help="Print files for systemd, cron or Kubernetes.",
    epilog=example(
        """
kubedossier schedule install systemd -o /etc/systemd/system
kubedossier schedule install cron | crontab -
kubedossier schedule install kubernetes --image kubedossier:1
"""
    ),
)
@click.argument("system", type=click.Choice(["systemd", "cron", "kubernetes"]))
@click.option("--every", type=click.Choice(["1", "5", "10", "15", "30"]), help="Minutes between calls.  [default: 5]")
@click.option("--user", metavar="NAME", help="Whose process it is (systemd).  [default: you]")
@click.option("--image", metavar="IMAGE", help="The container image with kubedossier (kubernetes).")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write the files into this folder instead of printing them.",
)
@click.pass_obj
def install(
    settings: Settings, system: str, every: str | None, user: str | None, image: str | None, output: Path | None
) -> None:
    """Print files that have a system call 'schedule due' every few minutes.

    For systemd a service and a timer, for cron a crontab, for Kubernetes a CronJob with its volumes. Read them, then
    install them; nothing is installed here, and no secret stands in them.
    """
    from kubedossier.reports import installing

    call = _call(settings, int(every or 5), user)
    if system == "kubernetes":
        if image is None:
            raise UsageError("Which image? None was named", hint="Add --image REGISTRY/NAME:TAG.")
        files = installing.kubernetes(call, image)
    else:
        files = installing.systemd(call) if system == "systemd" else installing.cron(call)
        for one in installing.writable(call):
            if not is_folder(one):
                warn(f"'{one}' is not there yet; make it before, for '{call.user}' to write in")
    for name, text in files.items():
        if output is None:
            write_text((f"# {name}\n" if len(files) > 1 else "") + text + ("\n" if len(files) > 1 else ""))
            continue
        with complete_file(output / name) as file:
            file.write(text.encode())
        write_line(str(output / name))


def _jobs(settings: Settings) -> tuple[JobConfig, ...]:
    """The jobs, each report with the period that is meant."""
    config = settings.config
    if not config.jobs:
        raise UsageError(
            "There are no jobs" + (f" in '{config.path}'" if config.path else ": no configuration was found"),
            hint="Write a [[job]] with name, run and cron into kubedossier.toml, or name the file with --config.",
        )
    return tuple(
        job
        if job.run == "snapshot"
        else replace(job, period=job.period or config.report(job.report or "monthly").period or "last-month")
        for job in config.jobs
    )


def _call(settings: Settings, every_min: int, user: str | None) -> Call:
    """What a system is to call, by absolute paths."""
    from kubedossier.reports.installing import Call

    jobs, started = _jobs(settings), Path(sys.argv[0])
    assert settings.config.path is not None
    called = (str(started.absolute()),) if started.name == "kubedossier" else (sys.executable, "-m", "kubedossier")
    return Call(
        program=called,
        archive=settings.archive_path().absolute(),
        config=settings.config.path.absolute(),
        every_min=every_min,
        user=user or getpass.getuser(),
        deliver=tuple(dict.fromkeys(one.directory.absolute() for job in jobs for one in job.deliver)),
        witness=_witness(user),
    )


def _witness(user: str | None) -> Path | None:
    """Where the witness file of a user lies; None where there is no such user here."""
    from kubedossier.analytics.store import witness

    if user is None or user == getpass.getuser():
        return witness.path_of("any").parent.absolute()
    try:
        return Path(pwd.getpwnam(user).pw_dir) / ".local" / "state" / "kubedossier" / "witness"
    except KeyError:
        return None


def _schedule(settings: Settings, jobs: tuple[JobConfig, ...], stop: Stop) -> Schedule:
    from kubedossier.reports.schedule import Schedule

    return Schedule(settings.archive_path(), jobs, Commands(settings), now=stop.now, shield=stop.shield)
