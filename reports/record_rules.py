"""The rules about the record itself: whether it is whole, adds up, and is still what was received.

No configuration turns one of them off or rates it anew: a report must not say less about its own holes.
"""

from __future__ import annotations

from datetime import date

from kubedossier.analytics.figures import COLLECTED, DROPPED, IMPORTED, MISSING, PARTIAL
from kubedossier.reports.judgements import Rating
from kubedossier.reports.numbers import counted, days_listed, listed
from kubedossier.reports.observed import Observed
from kubedossier.reports.pieces import Part, Value
from kubedossier.reports.rules import Verdict, rule


@rule(
    "completeness",
    section="completeness",
    statement="What the Console had of the period was collected.",
    method="Exception: a day was not collected, or the Console may have dropped events of it. Review: a day was "
    "collected in part, or only imported.",
)
def completeness(seen: Observed) -> Verdict:
    """Exception where a day was not collected or may have been dropped; Review where only imported or partial."""
    by_state: dict[str, list[date]] = {}
    for day, state in seen.over:
        by_state.setdefault(state, []).append(day)
    total, collected = len(seen.over), len(by_state.get(COLLECTED, ()))
    lost = sorted(by_state.get(MISSING, []) + by_state.get(DROPPED, []))
    rating: Rating = "exception" if lost else "met" if collected == total else "review"
    if not total:
        title, text = "No day of the period is over.", "Nothing can be missing yet."
    elif collected == total:
        title, text = (
            f"The record has no gap{' so far' if seen.to_come else ''}.",
            f"{'The day was' if total == 1 else f'All {total:,} days were'} collected, as far as the Console had "
            f"{'its events' if total == 1 else 'them'}.",
        )
    else:
        incomplete = total - collected
        title = (
            f"{incomplete} of {counted(total, 'day')} {'is' if incomplete == 1 else 'are'} not attested as collected."
        )
        words = {
            DROPPED: "The Console may have dropped events before they were read: {}.",
            MISSING: "Not collected: {}.",
            PARTIAL: "Collected in part: {}.",
            IMPORTED: "Imported from files, so that completeness is not attested: {}.",
        }
        text = " ".join(words[state].format(days_listed(by_state[state])) for state in words if state in by_state)
    if seen.to_come:
        text += f" Not over when the report was issued: {days_listed(seen.to_come)}."
    return Verdict(
        rating,
        title,
        (text,),
        (seen.marks["coverage"],),
    )


@rule(
    "failing-snapshots",
    section="completeness",
    statement="Collection runs as scheduled.",
    method="Exception: when the report was scheduled, the newest note of the schedule in the ledger told of snapshot "
    "jobs that fail.",
)
def failing_snapshots(seen: Observed) -> Verdict | None:
    """Exception where the schedule noted that a snapshot job fails: what it should have brought may be missing."""
    if not seen.troubles:
        return None
    first, more = seen.troubles[0], len(seen.troubles) - 1
    also = f", and {counted(more, 'other job')} failed, too." if more else "."
    text: list[Part] = [part for one in seen.troubles for part in (f"{one.job}: ", Value(one.reason), "; ")][:-1]
    return Verdict(
        "exception",
        f"{first.words}{also}",
        (*text, "."),
        (seen.marks["coverage"],),
    )


@rule(
    "accounting",
    section="completeness",
    statement="Every record received is accounted for.",
    method="Exception: new, duplicate and rejected records do not add up to those received. Review: records were "
    "rejected.",
)
def accounting(seen: Observed) -> Verdict | None:
    """Exception where received is not the sum of its parts; Review where records were rejected."""
    if not seen.received and not seen.rejected:
        return None
    parts = seen.new + seen.duplicate + seen.rejected
    text = (
        f"{counted(seen.received, 'record')} received: {seen.new:,} new, {seen.duplicate:,} already held, "
        f"{seen.rejected:,} rejected."
    )
    if parts != seen.received:
        rating: Rating = "exception"
        title, text = "Records are unaccounted for.", f"{text} The difference is {seen.received - parts:,}."
    elif seen.rejected:
        rating, title = "review", f"{counted(seen.rejected, 'record')} could not be read as events."
    else:
        rating, title = "met", "Every record received is accounted for."
    return Verdict(
        rating,
        title,
        (text,),
        (seen.marks["receipts"],),
    )


@rule(
    "population",
    section="completeness",
    statement="The record holds the population that the source reported.",
    method="Review: in a window the count before, the count after and the rows received differ.",
)
def population(seen: Observed) -> Verdict | None:
    """Review where the Console's own count changed while a window was read, even on the second reading."""
    if not seen.windows:
        return None
    stable = seen.windows - seen.unstable_windows
    return Verdict(
        "review" if seen.unstable_windows else "met",
        "The Console\u2019s count and the record agree."
        if not seen.unstable_windows
        else "The Console\u2019s count changed while it was read.",
        (
            f"In {stable:,} of {counted(seen.windows, 'window')} the Console\u2019s Total-Count was the same before "
            "and after, and equal to the rows received.",
        ),
        (seen.marks["windows"],),
    )


@rule(
    "integrity",
    section="manifest",
    statement="Nothing was changed since receipt, by the ledger.",
    method="No report is made where a file or the chain of the ledger is damaged. Review: a backup was restored, or a "
    "run taken back.",
)
def integrity(seen: Observed) -> Verdict:
    """Review where the ledger tells of a restored backup or of a run taken back; a damaged file makes no report."""
    parts = [
        *([f"{counted(seen.rollbacks, 'restored backup')} accepted"] if seen.rollbacks else []),
        *([f"{counted(seen.retracted, 'run')} taken back"] if seen.retracted else []),
    ]
    checked = f"{counted(seen.files_checked, 'file')} of events had the SHA-256 that the ledger says."
    return Verdict(
        "review" if parts else "met",
        f"The ledger tells of {listed(parts)}." if parts else "The archive is as its ledger says.",
        (checked,),
        (seen.marks["receipts"],),
    )
