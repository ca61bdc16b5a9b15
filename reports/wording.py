"""The sentences of the report: each is computed from counts or stands here once, to be read and argued about.

The words for what evidence can do are "supports", "partly supports" and "not evidenced"; no sentence may say that
somebody complies with something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubedossier.analytics.figures import COLLECTED, DROPPED, IMPORTED, MISSING, NOT_YET, PARTIAL, WEEKENDS_SHOWN, Step
from kubedossier.reports.judgements import Finding
from kubedossier.reports.model import Evidence
from kubedossier.reports.numbers import change, count, counted, days_listed, listed, spelled, tenths
from kubedossier.reports.observed import Observed
from kubedossier.reports.pieces import Fact, KeyFigure, Part, Phrase, Tone, Value

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.periods import Period

TITLE = "Kubernetes Audit Evidence"
STRIP = "What the record holds of each day. A report is only as good as its record, so this comes before what it shows."
CALENDAR = (
    "Shade is the number of events. A cell with 0 was looked at and held nothing; a dash was not collected; "
    "an exclamation mark may have lost events in the Console."
)
COLUMNS = "All events; the red part of a column is denied requests."
WEEKENDS = " Weekends are shaded."
WEEKS = " Weeks are named by their Monday; the first and the last may be parts of one."
HOLES = " Days not collected in full show only what is known (section 2)."
TO_COME = " Days that were not over when the report was issued show only what is known (section 2)."
PANELS = (
    "Each panel has its own scale; its highest day is marked, in red where it is at least twice the median of the days "
    "with events."
)
HEAT_MAP = (
    "ATT&CK tactic of each event; an event with several techniques counts once under each tactic, so rows overlap."
)
METHOD = (
    "The report was made without manual editing from the archive named in A1, as it stood at the ledger entry on the "
    "cover. The same archive, entry, options and program version give the same file, byte for byte, where the "
    "libraries named in A1 are the same.",
    "Days are calendar days in UTC, periods are half-open: the first moment belongs to them, the last no longer does.",
    "A request that was logged at several stages counts once, at its latest stage. A record received twice counts "
    "once.",
    "Users are counted as authenticated. A request made under impersonation counts for the user who impersonated.",
    "Techniques are the source\u2019s own where it names any; for raw audit logs they are derived by rules of this "
    "program. Tactics come from the table of MITRE ATT&CK (Enterprise) bundled with it.",
    "Where a table is cut on the page, it says \u201cN of M\u201d; the attached data goes on, up to a number "
    "that A1 names.",
)
LIMITS = (
    "The record holds events that the source\u2019s audit rules matched, not all access to the clusters. What was "
    "never logged, or was not matched, cannot appear here.",
    "Integrity is evidenced from receipt onward: the ledger shows that nothing was changed since. It cannot show what "
    "happened to an event before it was received.",
    "The Console forgets its oldest events first. A stretch that it may have forgotten before it was read is shown "
    "as a gap; what lay in it is unknown.",
    "Imported files attest their content, not that they are all there is. Days known from imports alone are marked so.",
    "Two events that are equal in every field and in the same millisecond count as one.",
    "Times are the source\u2019s. The clocks of the clusters and of the Console were not checked.",
    "What was not found in a record with holes is supported only in part: it may have happened in a hole.",
    "A rating is a proposal of a rule that is printed below. It is not an opinion on a control, and no finding "
    "means only that no rule applied.",
)


@dataclass(frozen=True, slots=True)
class Previous:
    """Counts of the period before: days collected of days, privileged actions, identities."""

    collected: int
    days: int
    actions: int
    identities: int


def kind_of(name: str, period: Period) -> str:
    """What kind of report it is, for the line above the title."""
    if name != "monthly":
        return f"{name.replace('-', ' ').replace('_', ' ').capitalize()} report"
    if period.is_month:
        return "Monthly compliance report"
    return "Annual compliance report" if period.is_year else "Compliance report"


def calendar_note(drawn: int, known: int, *, step: Step) -> str:
    """How to read the calendar, and how much of it is drawn."""
    return _first(drawn, known, "clusters") + CALENDAR + (WEEKS if step == "week" else "")


def columns_note(seen: Observed, *, step: Step) -> str:
    """How to read the columns."""
    return COLUMNS + {"day": WEEKENDS, "week": WEEKS}.get(step, "") + _holes(seen)


def panels_note(seen: Observed, drawn: int, known: int) -> str:
    """How to read the panels, and how many of the techniques are drawn."""
    weekends = WEEKENDS if len(seen.days.rows) <= WEEKENDS_SHOWN else ""
    return _first(drawn, known, "techniques") + PANELS + weekends + _holes(seen)


def heat_map_note(seen: Observed, *, step: Step) -> str:
    """How to read the tactics."""
    return HEAT_MAP + (WEEKS if step == "week" else "") + _holes(seen)


def _first(drawn: int, known: int, what: str) -> str:
    return f"First {drawn} of {known:,} {what}, by events. " if known > drawn else ""


def _holes(seen: Observed) -> str:
    states = set(seen.days.column("state"))
    return HOLES if {PARTIAL, DROPPED, MISSING} & states else TO_COME if NOT_YET in states else ""


def coverage_words(seen: Observed) -> str:
    """Coverage in a few words, for the cover."""
    states = seen.days.column("state")
    total = len(states)
    parts = [
        f"{states.count(state)} {words}"
        for state, words in (
            (COLLECTED, "collected"),
            (PARTIAL, "in part"),
            (IMPORTED, "imported"),
            (DROPPED, "possibly dropped"),
            (MISSING, "not collected"),
            (NOT_YET, NOT_YET),
        )
        if state in states
    ]
    return f"{counted(total, 'day')}: {', '.join(parts)}"


def source_words(runs: pl.DataFrame, consoles: list[str]) -> Phrase:
    """Where the records came from: Consoles by address, and how many imports."""
    types = runs["type"].to_list()
    names: list[Part] = []
    for console in consoles[:2]:
        names += [", " if names else "", Value(console)]
    if len(consoles) > 2:
        names.append(f" and {len(consoles) - 2} more")
    snapshots, imports = types.count("snapshot"), types.count("import")
    if snapshots:
        names.append(f"{', ' if names else ''}{counted(snapshots, 'snapshot')}")
    if imports:
        names.append(f"{', ' if names else ''}{counted(imports, 'import')} of files")
    return tuple(part for part in names if part) or ("no run touched the period",)


def lead(seen: Observed, found: Sequence[Finding], period: Period, distinct: tuple[int, int, int]) -> Phrase:
    """Two or three sentences: what the record holds, how complete it is, what needs a decision."""
    clusters, _, users = distinct
    if seen.events:
        first = (
            f"The record holds {counted(seen.events, 'event')} of {counted(clusters, 'cluster')} "
            f"{period.when()}, by {counted(users, 'identity', 'identities')}. "
        )
    else:
        first = f"The record holds no event {period.when()}. "
    exceptions = [one for one in found if one.rating == "exception"]
    reviews = [one for one in found if one.rating == "review"]
    return (first, _complete(seen), _decisions(exceptions, reviews))


def _complete(seen: Observed) -> str:
    states = [state for _, state in seen.over]
    total, collected = len(states), states.count(COLLECTED)
    if seen.to_come:
        return _complete_so_far(collected, total, len(seen.to_come))
    if collected == total:
        return f"It was collected {f'on all {total:,} days' if total > 1 else 'in full'}. "
    if not collected and IMPORTED in states and not {DROPPED, PARTIAL} & set(states):
        return f"All of it was imported from files, on {states.count(IMPORTED)} of {counted(total, 'day')}. "
    if set(states) == {MISSING}:
        return "Nothing was collected for it. "
    return f"It was collected in full on {collected} of {counted(total, 'day')}. "


def _complete_so_far(collected: int, total: int, to_come: int) -> str:
    rest = f"{counted(to_come, 'day')} {'was' if to_come == 1 else 'were'} not over when the report was issued"
    if not total:
        return f"None of its days can be missing: {rest}. "
    over = f"the {counted(total, 'day')} that {'is' if total == 1 else 'are'} over"
    return f"It was collected in full on {'all' if collected == total > 1 else f'{collected:,}'} of {over}; {rest}. "


def _decisions(exceptions: Sequence[Finding], reviews: Sequence[Finding]) -> str:
    also = f"{spelled(len(reviews), 'matter')} {'calls' if len(reviews) == 1 else 'call'} for a review."
    if not exceptions:
        return also if reviews else "No rule found a matter that needs a decision."
    verb = "needs" if len(exceptions) == 1 else "need"
    titles = listed([one.title.rstrip(".")[0].lower() + one.title.rstrip(".")[1:] for one in exceptions])
    return f"{spelled(len(exceptions), 'matter')} {verb} a decision: {titles}.{f' {also}' if reviews else ''}"


def key_figures(
    seen: Observed, marks: dict[str, str], before: Previous, distinct: tuple[int, int, int]
) -> tuple[KeyFigure, ...]:
    """Events, complete days, privileged actions, identities, denied requests; each with the period before, and days
    with what is missing where something is.
    """
    states = [state for _, state in seen.over]
    collected, total = states.count(COLLECTED), len(states)
    actions, users, known = len(seen.actions), distinct[2], seen.previous_known
    month = seen.previous_short
    then = month if month == "before" else f"in {month}"
    share = seen.denied / seen.events if seen.events else None
    share_before = seen.previous_denied / seen.previous_events if seen.previous_events else None

    days_note = f"{before.collected} / {before.days} {then}" if known else "no earlier record"
    if seen.to_come:
        days_note = f"{len(seen.to_come):,} {NOT_YET}"
    if collected < total:
        days_note = f"{total - collected:,} not attested"

    def against(was: int, now: int) -> str:
        if seen.previous_known and not seen.comparable:
            return f"{was:,} {then}"
        return f"{change(None, was=was, now=now)} vs. {month}" if seen.previous_known else "no earlier record"

    def grew(was: int, now: int) -> Tone:
        return "bad" if seen.comparable and was and now >= 1.5 * was and now - was >= 10 else "plain"

    return (
        KeyFigure("Events", count(seen.events), against(seen.previous_events, seen.events), "plain", marks["activity"]),
        KeyFigure(
            "Days collected",
            f"{collected} / {total}",
            days_note,
            "bad" if {MISSING, DROPPED} & set(states) else "plain",
            marks["coverage"],
        ),
        KeyFigure(
            "Privileged actions",
            count(actions),
            against(before.actions, actions),
            grew(before.actions, actions),
            marks["privileged_actions"],
        ),
        KeyFigure("Identities", count(users), against(before.identities, users), "plain", marks["users"]),
        KeyFigure(
            "Denied requests",
            tenths(share),
            f"{tenths(share_before)} {then}" if seen.previous_known else "no earlier record",
            "plain",
            marks["activity"],
        ),
    )


def completeness_lead(seen: Observed) -> Phrase:
    """The completeness finding in one paragraph, for the head of section 2."""
    states = seen.over
    rest = (f"Not over when the report was issued: {days_listed(seen.to_come)}.",) if seen.to_come else ()
    if not states:
        return rest
    collected = [day for day, state in states if state == COLLECTED]
    if len(collected) == len(states):
        which = " that is over" if rest and len(states) == 1 else " that are over" if rest else ""
        whole = "The one day" if len(states) == 1 else f"All {len(states):,} days"
        head = f"{whole} of the period{which} {'was' if len(states) == 1 else 'were'} collected in full."
        return (" ".join([head, *rest]),)
    lines = {
        PARTIAL: "Collected in part: {}.",
        DROPPED: "The Console may have dropped events before they were read: {}.",
        IMPORTED: "Imported from files, completeness not attested: {}.",
        MISSING: "Not collected: {}.",
    }
    said = [
        words.format(days_listed(days))
        for state, words in lines.items()
        if (days := [day for day, found in states if found == state])
    ]
    which = " that are over" if rest else ""
    head = f"{len(collected)} of {counted(len(states), 'day')} of the period{which} were collected in full."
    return (" ".join([head, *said, *rest]),)


def bridge_note(undated: int, source: str, mixed: bool) -> str:
    """Which kind of records counts, and what the archive holds outside any period."""
    kinds = {"native": "the Console\u2019s own records", "raw": "raw audit logs"}
    kind = f"Counted are {kinds.get(source, 'records of both kinds')}"
    other = {"native": "raw audit logs", "raw": "records of the Console"}.get(source, "")
    both = f"; the period also holds {other}, which may tell of the same calls. " if mixed and other else ". "
    if not undated:
        return f"{kind}{both}The archive holds no record without a usable time."
    return f"{kind}{both}The ledger counts another {counted(undated, 'record')} without a usable time, in no period."


def rules_fact(versions: tuple[str, ...]) -> tuple[Fact, ...]:
    """Which technique rules judged the raw audit logs that count, where any do."""
    if not versions:
        return ()
    which = f"versions {', '.join(versions)}; \u2018kubedossier techniques --rederive\u2019 makes them one"
    return (Fact("Technique rules for raw logs", (f"version {versions[0]}" if len(versions) == 1 else which,)),)


NOBODY_NEW: Phrase = ("The archive holds no record of the period before, so that nothing can be called new.",)


def first_seen_lead(users: int, addresses: int) -> Phrase:
    """How many identities and addresses are new."""
    who = counted(users, "identity", "identities") if users else "No identity"
    where = counted(addresses, "source address", "source addresses") if addresses else "no source address"
    verb = "occurs" if max(users, addresses) == 0 else "occur"
    return (
        f"{who} and {where} {verb} in the archive for the first time in this period. Those that acted before, but only "
        "while nothing was collected, count as new, too.",
    )


def privileged_lead(total: int, evidence: Sequence[Evidence], mark: str) -> Phrase:
    """What section 5 counts, and where all of it is."""
    one = next(one for one in evidence if one.mark == mark)
    where = (
        f"all rows are in {one.file}" if one.attached == one.rows else f"the first {one.attached:,} are in {one.file}"
    )
    what = "Sessions in containers, access to secrets, changes of access rights and the like"
    if not total:
        return (f"{what}: none in the period.",)
    return (
        f"{what}: {counted(total, 'action')} in the period. Each counts once, under the first kind that fits; {where}.",
    )
