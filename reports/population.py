"""The population that the source reported, beside what was received of it: the auditor's first reconciliation.

Only unfiltered snapshots have a count to compare with. It is the Console's own, by window of reading, and windows may
reach beyond the period; so it is never taken for a number of events of the period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubedossier.reports.numbers import counted, percent

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.periods import Period


@dataclass(frozen=True, slots=True)
class Population:
    """What the Console counted in the windows that touch a period, and what was received of it.

    Attributes:
        received: records, at most as many in a window as were counted there.
        expected: records, the higher of the Console's two counts of each window.
        windows: that were counted; uncounted: for which the Console gave no number.
        filtered, imports: runs that touch the period and have no count to compare with.
        beyond: whether a window reaches beyond the period.
    """

    received: int
    expected: int
    windows: int
    uncounted: int
    filtered: int
    imports: int
    beyond: bool


def population(windows: pl.DataFrame, runs: pl.DataFrame, period: Period) -> Population:
    """Add up the windows of unfiltered snapshots; both frames as the queries of their names answer."""
    by_run = {row["snapshot"]: row for row in runs.iter_rows(named=True)}
    filtered = {name for name, row in by_run.items() if row["type"] == "snapshot" and row["filtered"]}
    rows = [row for row in windows.iter_rows(named=True) if row["snapshot"] not in filtered]
    counts = [
        (max(row["total_before"] or 0, row["total_after"] or 0), row["received"] or 0)
        for row in rows
        if row["total_before"] is not None or row["total_after"] is not None
    ]
    first, after = period.start.replace(tzinfo=None), period.end.replace(tzinfo=None)
    return Population(
        received=sum(min(expected, received) for expected, received in counts),
        expected=sum(expected for expected, _ in counts),
        windows=len(counts),
        uncounted=len(rows) - len(counts),
        filtered=len(filtered),
        imports=sum(row["type"] == "import" for row in by_run.values()),
        beyond=any(
            row["start"].replace(tzinfo=None) < first or row["end"].replace(tzinfo=None) > after for row in rows
        ),
    )


def population_words(found: Population) -> str:
    """The reconciliation in a few words, for the cover."""
    said = [_counted(found)] if found.windows else []
    if found.uncounted:
        said.append(f"{counted(found.uncounted, 'window')} without a count of the Console")
    if found.filtered:
        said.append(f"{counted(found.filtered, 'filtered snapshot')}, completeness not attested")
    if found.imports:
        said.append(f"{counted(found.imports, 'import')} of files, completeness not attested")
    words = "; ".join(said) or "nothing"
    return words[0].upper() + words[1:]


def _counted(found: Population) -> str:
    if not found.expected:
        what = "the Console counted no record"
    elif found.received == found.expected:
        these = "the one record" if found.expected == 1 else f"all {found.expected:,} records"
        what = f"{these} that the Console counted"
    else:
        share = percent(found.received / found.expected)
        what = f"{found.received:,} of {counted(found.expected, 'record')} that the Console counted ({share})"
    one = found.windows == 1
    reach = f", which {'reaches' if one else 'reach'} beyond it" if found.beyond else ""
    return f"{what} in the {'one window' if one else f'{found.windows:,} windows'} read for the period{reach}"
