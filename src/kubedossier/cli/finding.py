"""``kubedossier finding``: lists the findings of a period and records what was decided about them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from kubedossier.cli import PERIODS, Settings, example
from kubedossier.cli.diagnostics import say
from kubedossier.cli.output import visible, write_line, write_wrapped
from kubedossier.cli.witnessed import warn_unless_witnessed

if TYPE_CHECKING:
    from kubedossier.reports.judgements import Finding

OUTCOMES = ("accepted", "false-positive", "remediated", "investigating", "withdrawn")
LONGEST = 500


@click.group(
    epilog=example(
        """
kubedossier finding list --period 2026-10
kubedossier finding note 2026-10/denied --outcome accepted --reason Known
kubedossier finding rules
"""
    )
)
def command() -> None:
    """List findings, and record decisions about them.

    A finding is named by its period and rule, such as 2026-10/wide-rights. A decision stands in the ledger for ever
    and is printed in reports beside its finding; a later one takes its place.
    """


@command.command(
    "list",
    epilog=example(
        """
kubedossier finding list
kubedossier finding list --period 2026-10
"""
    ),
)
@click.option("--period", metavar="PERIOD", default="last-month", show_default=True, help=PERIODS)
@click.pass_obj
def list_(settings: Settings, period: str) -> None:
    """List the findings of a period: id, rating, title, decision."""
    found = _findings(settings, period)
    width = max(len(one.id) for one in found)
    for one in found:
        note = one.disposition
        decision = f"  [{note.outcome}{'' if note.is_current else ', ' + note.state}]" if note else ""
        write_wrapped(f"{one.id:<{width}}  {one.rating:<9}  {one.title}{visible(decision)}", indent=width + 13)


@command.command(
    "note",
    epilog=example(
        """
kubedossier finding note 2026-10/wide-rights --outcome investigating \\
    --reason "Asked the owner of payments" --ticket SEC-1042
kubedossier finding note 2026-10/denied --outcome accepted \\
    --reason "Load test" --expires 2027-01-01
"""
    ),
)
@click.argument("finding_id", metavar="ID")
@click.option("--outcome", type=click.Choice(OUTCOMES), required=True, help="What was decided.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is printed in reports.")
@click.option("--ticket", default="", metavar="TEXT", help="Where the work is tracked.")
@click.option("--expires", metavar="DATE", help="From this day on it no longer counts.")
@click.option("--wait", is_flag=True, help="Wait for another writer instead of failing.")
@click.pass_obj
def note(
    settings: Settings, finding_id: str, outcome: str, reason: str, ticket: str, expires: str | None, wait: bool
) -> None:
    """Record a decision about a finding in the ledger.

    ID is one that 'finding list' prints. The decision belongs to what the finding rests on now: where that changes,
    reports say that it was made on an earlier state.
    """
    from kubedossier.analytics.errors import UsageError
    from kubedossier.analytics.store.commit import Writer, new_id
    from kubedossier.reports.dispositions import facts

    if not reason.strip() or max(len(reason), len(ticket)) > LONGEST:
        raise UsageError(f"A reason is needed, and neither it nor the ticket may exceed {LONGEST} characters")
    until = _day(expires)
    found = _findings(settings, finding_id.partition("/")[0])
    chosen = next((one for one in found if one.id == finding_id), None)
    if chosen is None:
        raise UsageError(f"There is no finding '{finding_id}'", hint="'kubedossier finding list --period' names them.")
    if chosen.rating == "met" and outcome != "withdrawn":
        raise UsageError(f"'{finding_id}' is met: there is nothing to decide")
    now = datetime.now(UTC)
    said = facts(chosen, outcome=outcome, reason=reason.strip(), ticket=ticket.strip(), expires=until)
    with Writer(settings.archive_path(), wait=wait) as writer:
        entry = writer.append("note", new_id(now), said, at=now)
    write_line(f"{chosen.id}  {outcome}, ledger entry {entry['seq']}")
    warn_unless_witnessed(settings.archive_path())
    say(f"Recorded for: {chosen.title}")


@command.command(
    "rules",
    short_help="List the rules with their thresholds.",
    epilog=example(
        """
kubedossier finding rules
kubedossier finding rules >> kubedossier.toml
"""
    ),
)
@click.pass_obj
def rules(settings: Settings) -> None:
    """List the rules with their thresholds, as the configuration has them.

    The listing is a table [findings] for kubedossier.toml: what stands behind # is explained, what is not set there
    has its default, and each value can be changed. A rule may be rated anew with severity = "exception" or "review",
    or turned off with "off", but for the five about the record itself. Reports print all of it.
    """
    from kubedossier.reports.rule_listing import listing

    for line in listing(settings.config.findings):
        write_line(visible(line))


def _findings(settings: Settings, period: str) -> tuple[Finding, ...]:
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import parse_period
    from kubedossier.analytics.store.damage import settled
    from kubedossier.reports.build import build
    from kubedossier.reports.model import Request

    span = parse_period(period, now=datetime.now(UTC))
    request = Request(issued=datetime.now(UTC), thresholds=settings.config.findings)
    return settled(lambda: build(Archive(settings.archive_path()), span, request)).findings


def _day(text: str | None) -> date | None:
    from kubedossier.analytics.errors import UsageError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(f"'{text}' is not a date", hint="Write 2027-01-01.") from None
