"""``kubedossier demo``: the whole way on one machine, without an account anywhere.

It makes up a company's events, serves them as a Console would, and then runs the very commands a user would type:
snapshot, import, query, report, bundle, verify. It must never write into an archive that holds anything but its own.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedossier.analytics.errors import IncompleteError, UsageError
from kubedossier.analytics.there import is_file, is_folder
from kubedossier.cli import Settings, cli, example
from kubedossier.cli.output import write_line

if TYPE_CHECKING:
    from kubedossier.analytics.periods import Period

LOGIN = "demo-auditor"
LATE, LAB = "late-export.ndjson", "lab-k3s-audit.log"
_FIRST_SEEN = """
     select source_ips[1] as new_address, count(*) as events, min(time) as first
     from events where decision = 'allow' and len(source_ips) > 0
     group by all having min(time) >= '{start:%Y-%m-%d}'
     order by events desc limit 3"""
_THAT_NIGHT = """
     select strftime(min(time), '%H:%M') as at, e.user, action, resource,
       subresource, count(*) as n
     from events e where list_contains(source_ips, '{address}')
     group by all order by min(time)"""
_OURS = ("genesis", "snapshot", "import")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@click.command(
    epilog=example(
        """
kubedossier demo
kubedossier demo /tmp/demo-dossier
"""
    )
)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path), default=Path("dossier"))
@click.pass_obj
def command(settings: Settings, folder: Path) -> None:
    """Show the whole way on this machine: events in, answers and a report out.

    Makes up two months of a company's audit events, serves them on this machine as the Console does, and runs the
    commands you would type: snapshot, import, query, report, bundle, verify. The archive is made in DIR (default:
    ./dossier) and is yours to play with; run again, it takes up where it was.

    Nothing leaves the machine, and no login is needed.
    """
    from kubedossier.analytics.demo.exports import months

    port = _check_ours(folder)
    stage = _Stage(settings, folder)
    now = datetime.now(UTC)
    month = months(now)[0]
    with tempfile.TemporaryDirectory(prefix="kubedossier-demo-") as name, _environment():
        scratch = Path(name)
        _make_events(stage, scratch, now)
        with _console(stage, scratch, port) as url:
            stage.config = _configure(scratch, url)
            stage.begin("Snapshot it: every event, once, with proof of what was collected")
            stage.run("snapshot", "--console", "demo")
        _import(stage, scratch)
        _ask(stage, month)
        stage.begin("Print last month's compliance report, on paper and for a browser")
        stage.run("report", "monthly", "--period", month.label, "-f", "pdf,html")
        stage.begin("Put the month into one file that auditors can check on their own")
        bundle = folder / "reports" / month.label / f"bundle-{month.label}.zip"
        stage.run("bundle", month.label, "-o", str(bundle))
        stage.begin("Check that nothing was changed, in the archive and in both files")
        stage.run("verify")
        stage.run("verify", str(bundle.with_name(f"monthly-{month.label}.pdf")))
        stage.run("verify", str(bundle))
    _tell_what_next(stage, month)


class _Stage:
    """Tells the story: stages with the time so far, and the commands that are run."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.config = ""
        self._number = 0
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first stage."""
        return time.monotonic() - self._started

    def begin(self, title: str) -> None:
        self._number += 1
        elapsed = f"{self.elapsed_s:.1f} s"
        write_line()
        write_line(click.style(f"{self._number}. {title}", bold=True) + f"{elapsed:>{77 - len(title)}}")

    def tell(self, text: str) -> None:
        write_line(f"   {text}")

    def run(self, *arguments: str, inside: Path | None = None) -> None:
        """Show a command and run it; that something was left out is part of the story, not its end.

        Args:
            arguments: of the command line.
            inside: the folder of the file that the second argument names.
        """
        write_line(click.style(f"   $ kubedossier {' '.join(_quoted(each) for each in arguments)}", fg="cyan"))
        if inside:
            arguments = (arguments[0], str(inside / arguments[1]), *arguments[2:])
        words = ["--archive", str(self.folder), "--config", self.config, "--log-format", self.settings.log_format]
        words += ["-v"] * self.settings.verbose
        try:
            cli.main([*words, *arguments], prog_name="kubedossier", standalone_mode=False)
        except IncompleteError as error:
            for line in textwrap.wrap(f"Exit code {error.exit_code}: {error.message}", 77):
                self.tell(line)

    @property
    def program(self) -> str:
        """What to type to call this program from here."""
        called = Path(sys.argv[0])
        if called.name != "kubedossier":
            return "python -m kubedossier"
        found = shutil.which("kubedossier")
        if found and Path(found).samefile(called):
            return "kubedossier"
        return min(str(called), os.path.relpath(called), key=len)


def _make_events(stage: _Stage, scratch: Path, now: datetime) -> None:
    from kubedossier.analytics.demo import audit_log, console_events, late_export

    stage.begin("Make up a company: six clusters, two months of audit events")
    events = console_events(now)
    (scratch / "console.ndjson").write_bytes(b"\n".join(events))
    (scratch / LATE).write_bytes(late_export(now))
    (scratch / LAB).write_bytes(audit_log(now))
    stage.tell(f"{len(events):,} events, {sum(map(len, events)) / 1e6:.0f} MB; one night among them is worth finding")


@contextmanager
def _console(stage: _Stage, scratch: Path, port: int) -> Iterator[str]:
    """Serve the made-up events over HTTPS while the block runs; gives the URL."""
    from kubedossier.analytics.ingest.importer import import_files
    from kubedossier.analytics.serve.app import build_app
    from kubedossier.analytics.serve.auth import Access, Account
    from kubedossier.analytics.serve.certificates import own_certificate
    from kubedossier.analytics.serve.pages import Pages
    from kubedossier.analytics.serve.running import running

    stage.begin("Serve it as the Console does, over HTTPS on this machine")
    with _environment(KUBEDOSSIER_WITNESS=str(scratch / "witness")):  # nobody will ask for this one's again
        for _ in import_files(scratch / "console", [str(scratch / "console.ndjson")]):
            pass
    password = secrets.token_urlsafe()
    (scratch / "password").write_text(password)
    tls = own_certificate(scratch / "tls")
    app = build_app(Pages(scratch / "console"), Access((Account(LOGIN, password),)))
    with ExitStack() as stack:
        try:
            url = stack.enter_context(running(app, tls=tls, port=port))
        except UsageError:  # somebody else has the port of last time
            url = stack.enter_context(running(app, tls=tls))
        stage.tell(f"GET {url}/api/v33.01/audits/kubernetes")
        yield url


def _configure(scratch: Path, url: str) -> str:
    path = scratch / "kubedossier.toml"
    path.write_text(
        "[console.demo]\n"
        f'url = "{url}"\nusername = "{LOGIN}"\npassword_file = "password"\nca_bundle = "tls/ca.pem"\npage_size = 250\n'
        '[report.monthly]\norganisation = "Example Ltd"\nclassification = "Internal"\nframeworks = ["soc2"]\n',
        "utf-8",
    )
    return str(path)


def _import(stage: _Stage, scratch: Path) -> None:
    from kubedossier.analytics.store.ledger import Ledger

    stage.begin("Import what came by other roads: a late export, another cluster's log")
    known = {name for entry in Ledger.read(stage.folder).entries for name in _files(entry)}
    labels = {LATE: (), LAB: ("--cluster", "lab-k3s", "--provider", "others")}
    for name, more in labels.items():
        if f"{name} {(scratch / name).stat().st_size}" in known:
            stage.tell(f"{name} was imported the last time")
        else:
            stage.run("import", name, *more, inside=scratch)


def _ask(stage: _Stage, month: Period) -> None:
    from kubedossier.analytics.demo import NEW_ADDRESS

    stage.begin("Ask questions")
    stage.run("query", "top_users", "--period", month.label, "--limit", "8")
    write_line()
    stage.run("query", "provider_ranking", "--period", month.label)
    write_line()
    stage.tell("Which addresses were never seen before that month, and got in?")
    stage.run("query", "--sql", _FIRST_SEEN.format(start=month.start))
    write_line()
    stage.tell("What was done from there, on that Saturday night?")
    stage.run("query", "--sql", _THAT_NIGHT.format(address=NEW_ADDRESS))


def _tell_what_next(stage: _Stage, month: Period) -> None:
    from kubedossier.analytics.demo import INTRUDER

    write_line()
    write_line(click.style(f"Done in {stage.elapsed_s:.0f} s.", bold=True))
    write_line(f"   archive  {stage.folder}/")
    for name, ending in (("report", "pdf"), ("page", "html"), ("bundle", "zip")):
        for path in sorted((stage.folder / "reports").rglob(f"*.{ending}")):
            write_line(f"   {name:<7}  {path}")
    call = stage.program
    if stage.settings.archive_path() != stage.folder:
        call += f" --archive {_quoted(str(stage.folder))}"
    write_line()
    write_line("Try next:")
    for words in (
        "status",
        "rejects",
        f"finding list --period {month.label}",
        f"query privileged_actions --period {month.label} --user {INTRUDER}",
        "query --list",
        "verify --deep",
        "serve",
    ):
        line = f"   {call} {words}"
        write_line(line if len(line) <= 80 else line.replace(" --period", " \\\n       --period"))


def _quoted(word: str) -> str:
    """A word as a shell takes it, in the quotes that are easiest to read."""
    return f'"{word}"' if "'" in word and not set('"$`\\') & set(word) else shlex.quote(word)


def _check_ours(folder: Path) -> int:
    """The port the made-up Console had the last time, 0 where there was none.

    Raises:
        UsageError: the folder holds something that the demo did not make.
    """
    from urllib.parse import urlsplit

    from kubedossier.analytics.store.ledger import Ledger

    elsewhere = "Name another folder: kubedossier demo demo-dossier"
    if is_file(folder) or (is_folder(folder) and any(folder.iterdir()) and not is_folder(folder / "ledger")):
        raise UsageError(f"'{folder}' is there already and is no archive", hint=elsewhere)
    port = 0
    for entry in Ledger.read(folder).entries:
        source = entry.get("source", {})
        ours = {name.rsplit(" ", 1)[0] for name in _files(entry)} <= {LATE, LAB}
        if entry["type"] == "snapshot":
            ours = source.get("account") == LOGIN
            port = urlsplit(source.get("url", "")).port or port
        if entry["type"] not in _OURS or not ours:
            raise UsageError(f"'{folder}' is an archive that not only the demo wrote to", hint=elsewhere)
    return port


def _files(entry: dict[str, Any]) -> list[str]:
    """Name and size of the files of an import."""
    return [f"{one['name']} {one['bytes']}" for one in entry.get("source", {}).get("files", [])]


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """An environment in which nothing of the user's own settings, secrets and proxies holds."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("KUBEDOSSIER_") or name.lower() in _PROXIES:
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
