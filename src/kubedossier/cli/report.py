"""``kubedossier report``: the compliance report of a period, as PDF, as HTML or as data."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from kubedossier.analytics.there import is_folder
from kubedossier.cli import PERIODS, Settings, example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubedossier.analytics.config import Config, ReportConfig
    from kubedossier.analytics.periods import Period
    from kubedossier.reports.model import Report, Request
    from kubedossier.reports.pieces import Picture

LONGEST_TITLE = 80
PAPERS = ("a4", "letter")
_SPARING = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:1",
}
"""Where Arrow and polars read, as they are loaded, what to do with free memory: give it back at once, for a report
needs each large piece but once. Who has set them otherwise knows why."""
_M_MMAP_THRESHOLD, _LARGE_BYTES = -3, 128 * 1024
"""The setting of mallopt(3), and its value when a process starts. The GNU C library raises it with each larger piece
that is freed, up to 32 MiB, and keeps what is smaller; told so, it leaves it and gives every large piece back."""


@click.command(
    epilog=example(
        """
kubedossier report
kubedossier report --period 2026-10 --organisation "Example Ltd"
kubedossier report --framework soc2,pci-dss --logo logo.svg
kubedossier report --period 2026-Q3 --paper letter -o q3.pdf
kubedossier report --period 2026-10 -f pdf,html,json -o reports/
kubedossier report --period 2026-10 -f json -o - | jq .findings
kubedossier report --period 2026-10 --as-of 42 --issued 2026-11-01
"""
    )
)
@click.argument("name", default="monthly")
@click.option("--period", metavar="PERIOD", help=PERIODS + "  [default: last-month]")
@click.option(
    "-f",
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help="What to make: pdf, html or json; repeat it, or write pdf,html.  [default: pdf]",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="A file, or a folder for NAME-PERIOD.FORMAT; - is stdout.  [default: ARCHIVE/reports/PERIOD]",
)
@click.option("--paper", type=click.Choice(PAPERS), help="The paper of the PDF.  [default: a4]")
@click.option(
    "--framework",
    "frameworks",
    multiple=True,
    metavar="NAME",
    help="Map to a control framework; repeat it, or write soc2,pci-dss.  [default: none]",
)
@click.option(
    "--section",
    "sections",
    multiple=True,
    metavar="NAME",
    help="Add a section of your own; repeat it, or write one,two.  [default: none]",
)
@click.option("--organisation", metavar="TEXT", help="Whose clusters these are.")
@click.option("--classification", metavar="TEXT", help="Printed on every page, such as Confidential.")
@click.option("--logo", type=click.Path(path_type=Path), metavar="FILE", help="A PNG or SVG for the cover.")
@click.option(
    "--fail-on",
    type=click.Choice(("exception", "review")),
    help="Exit with 3 where a finding is rated so, or worse, and undecided.",
)
@click.option("--as-of", type=click.IntRange(min=1), metavar="SEQ", help="The archive as it was at this ledger entry.")
@click.option(
    "--issued",
    metavar="DATE",
    help="The date to print as issued.  [default: that of the ledger entry; now, while the period is not over]",
)
@click.pass_obj
def command(
    settings: Settings,
    name: str,
    period: str | None,
    formats: tuple[str, ...],
    output: str | None,
    paper: str | None,
    frameworks: tuple[str, ...],
    sections: tuple[str, ...],
    organisation: str | None,
    classification: str | None,
    logo: Path | None,
    fail_on: Literal["exception", "review"] | None,
    as_of: int | None,
    issued: str | None,
) -> None:
    """Print a compliance report as PDF, with its evidence attached.

    NAME is a report of the configuration; 'monthly' is always there. The file appears when it is complete, and its
    path is printed. The same archive, entry and options give the same bytes; of a period that is not over, with the
    same --issued, since days to come are told from days that were not collected.

    The HTML holds the same numbers in one page that opens from a disk and loads nothing; the JSON is for programs.

    Frameworks: soc2, pci-dss, iso27001, nist-800-53, hipaa, cis-kubernetes, dora, nis2, fedramp, and those in the
    folder 'frameworks' of the configuration. Sections of your own are in its folder 'sections'.
    """
    _spare_memory()
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import parse_period
    from kubedossier.analytics.store.damage import settled
    from kubedossier.cli.diagnostics import detail
    from kubedossier.reports.build import build

    _check_name(name)
    chosen = settings.config.report(name)
    wanted = _formats(formats or chosen.formats)
    _check_output(output, wanted)
    root = settings.archive_path()
    now = datetime.now(UTC).replace(microsecond=0)
    span = parse_period(period or chosen.period or "last-month", now=now)
    request = _request(chosen, organisation, classification, logo, issued)
    if request.issued is None and span.end > now:
        request = replace(request, issued=now)
    request = _with_own(request, settings.config, frameworks or chosen.frameworks, sections or chosen.sections)
    detail(f"Asking the archive at '{root}' about {span.title()}.")
    report = settled(lambda: build(Archive(root, as_of=as_of), span, request))
    made = [(_rendered(report, one, _first(paper, chosen.paper) or "a4"), one) for one in wanted]
    for data, one in made:
        _deliver(data, output, root, span, f"{name}-{span.label}.{one}")
    _tell(report)
    if fail_on:
        _fail(report, fail_on)


def _spare_memory() -> None:
    """Have free memory given back at once; what the system's own allocator does not understand it leaves."""
    for variable, choice in _SPARING.items():
        os.environ.setdefault(variable, choice)
    if sys.platform == "linux" and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        with suppress(AttributeError, OSError):  # another C library has no such function
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def _formats(given: tuple[str, ...]) -> tuple[str, ...]:
    """The formats asked for, each once: ``pdf,html`` is two of them."""
    from kubedossier.analytics.config import FORMATS
    from kubedossier.analytics.errors import UsageError

    words = tuple(dict.fromkeys(word.strip() for text in given for word in text.split(","))) or ("pdf",)
    for word in words:
        if word not in FORMATS:
            raise UsageError(f"'{word}' is not a format of reports", hint=f"There are {', '.join(FORMATS)}.")
    return words


def _check_name(name: str) -> None:
    from kubedossier.analytics.errors import UsageError

    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"'{name}' cannot be the name of a report", hint="Letters, digits, '-' and '_'.")


def _check_output(output: str | None, formats: tuple[str, ...]) -> None:
    """Refuse what could not be written, before anything is asked."""
    from kubedossier.analytics.errors import UsageError
    from kubedossier.cli.output import write_bytes

    if output and len(formats) > 1 and not is_folder(Path(output)):
        what = "standard output takes one format" if output == "-" else f"'{output}' is no folder"
        raise UsageError(f"{len(formats)} formats, but {what}", hint="Name a folder with -o, or one format with -f.")
    if output == "-" and formats == ("pdf",):
        write_bytes(b"")


def _with_own(request: Request, config: Config, frameworks: Sequence[str], sections: Sequence[str]) -> Request:
    """The request with the catalogues and sections that were asked for, and with the configuration's thresholds."""
    from kubedossier.reports import catalogues
    from kubedossier.reports.own_sections import read_sections

    own = read_sections(config.sections, sections, config.queries)
    queries = [query.name for one in own for query in one.queries]
    chosen = catalogues.chosen(frameworks, config.frameworks, sections=[one.name for one in own], queries=queries)
    return replace(request, frameworks=chosen, own=own, thresholds=config.findings)


def _request(
    chosen: ReportConfig,
    organisation: str | None,
    classification: str | None,
    logo: Path | None,
    issued: str | None,
) -> Request:
    """What was asked for, and where nothing was, what the configuration says."""
    from kubedossier.analytics.errors import UsageError
    from kubedossier.reports.model import Request

    if len(chosen.title or "") > LONGEST_TITLE:
        raise UsageError(f"The title of [report.{chosen.name}] is longer than {LONGEST_TITLE} characters")
    return Request(
        name=chosen.name,
        title=chosen.title or "",
        organisation=_first(organisation, chosen.organisation),
        classification=_first(classification, chosen.classification),
        prepared_by=chosen.prepared_by or "",
        reviewer=chosen.reviewer or "",
        audience=chosen.audience or "",
        logo=_picture(logo or chosen.logo),
        issued=_issued(issued),
    )


def _picture(path: Path | None) -> Picture | None:
    from kubedossier.reports.logo import read_logo

    return read_logo(path) if path else None


def _fail(report: Report, threshold: Literal["exception", "review"]) -> None:
    """Fail where findings are left that nobody decided about; the file is there all the same."""
    from kubedossier.analytics.errors import FindingsError
    from kubedossier.reports.dispositions import undecided
    from kubedossier.reports.numbers import counted

    left = undecided(report.findings, threshold)
    if left:
        raise FindingsError(
            f"{counted(len(left), 'finding')} undecided: {', '.join(one.id for one in left)}",
            hint="Read section 1 of the report; 'kubedossier finding note' records a decision.",
        )


def _first(given: str | None, configured: str | None) -> str:
    return (given if given is not None else configured or "").strip()


def _issued(text: str | None) -> datetime | None:
    """The moment to print as issued; a date alone is its first moment, UTC."""
    from kubedossier.analytics.errors import UsageError

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text) if len(text) > 10 else datetime.combine(date.fromisoformat(text), time())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"'{text}' is not a date", hint="Write 2026-11-01 or 2026-11-01T06:00:00Z.") from None


def _rendered(report: Report, format_: str, paper: str) -> bytes:
    if format_ == "json":
        from kubedossier.reports.data import json_bytes

        return json_bytes(report)
    if format_ == "html":
        from kubedossier.reports.web import html_bytes

        return html_bytes(report)
    from kubedossier.reports.press import pdf_bytes

    return pdf_bytes(report, paper="letter" if paper == "letter" else "a4")


def _deliver(data: bytes, output: str | None, root: Path, period: Period, name: str) -> None:
    """Write the file whole and print its path, or write the data to stdout."""
    from kubedossier.analytics.errors import StorageError
    from kubedossier.cli.output import complete_file, write_bytes, write_line, write_text

    if output == "-" and not name.endswith(".pdf"):
        write_text(data.decode())
        return
    if output == "-":
        write_bytes(data)
        return
    path = Path(output) if output else root / "reports" / period.label / name
    if is_folder(path):
        path /= name
    if not output:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"Cannot make the folder '{path.parent}': {error.strerror}", hint="Name another file with -o."
            ) from error
    with complete_file(path) as handle:
        handle.write(data)
    write_line(str(path))


def _tell(report: Report) -> None:
    """Say on stderr what the reader must not miss: findings that need somebody."""
    from kubedossier.cli.diagnostics import say
    from kubedossier.reports.numbers import counted

    exceptions = sum(finding.rating == "exception" for finding in report.findings)
    reviews = sum(finding.rating == "review" for finding in report.findings)
    words = f"{counted(report.cover.events, 'event')}; {counted(exceptions, 'exception')}, {reviews} for review"
    say(f"{report.cover.period}: {words}.", exceptions=exceptions, reviews=reviews)
