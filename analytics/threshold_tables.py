"""Reads the table ``[findings]`` of the configuration; every mistake in it names its line."""

from __future__ import annotations

from typing import Any

from kubedossier.analytics.thresholds import (
    ABOUT_ACTIONS,
    ABOUT_THE_RECORD,
    RATED,
    SEVERITIES,
    TABLES,
    Known,
    Severity,
    Thresholds,
    wrong,
)
from kubedossier.analytics.toml_tables import Tables, nearest


def read_thresholds(tables: Tables, data: dict[str, Any]) -> Thresholds:
    """All of ``[findings]``; what is not said keeps its default.

    Raises:
        UsageError: there is no such rule or key, or a value cannot be meant; names the line.
    """
    for name in ABOUT_THE_RECORD:
        if name in data:
            what = "is a rule about the record itself, which can be neither turned off nor rated anew"
            tables.fail(("findings", name), what)
    names = (*dict.fromkeys((*TABLES, *RATED)), "known")
    tables.known(data, names, ("findings",))
    values: dict[str, Any] = {}
    severity: list[tuple[str, Severity]] = []
    for name in names[:-1]:
        if name not in data:
            continue
        where = ("findings", name)
        table = dict(tables.table(data[name], where))
        if name in RATED and "severity" in table:
            severity.append((name, _severity(tables, table.pop("severity"), (*where, "severity"))))
        if name in TABLES:
            row = values[name.replace("-", "_")] = tables.row(TABLES[name], table, where)
            if found := wrong(row):
                tables.fail((*where, found[0]), found[1])
        else:
            tables.known(table, ("severity",), where)
    known = tuple(_known(tables, n, one) for n, one in enumerate(tables.array(data, ("findings", "known"))))
    return Thresholds(**values, severity=tuple(severity), known=known)


def _severity(tables: Tables, value: Any, where: tuple[str, ...]) -> Severity:
    if value not in SEVERITIES:
        tables.fail(where, f"must be 'exception', 'review' or 'off', not {value!r}")
    found: Severity = value
    return found


def _known(tables: Tables, number: int, table: Any) -> Known:
    where = ("findings", "known", str(number))
    one = tables.row(Known, table, where)
    if not one.rules:
        tables.fail(
            (*where, "rules"), "is empty", f"Rules that can leave an identity aside: {', '.join(ABOUT_ACTIONS)}."
        )
    for rule in one.rules:
        if rule not in ABOUT_ACTIONS:
            tables.fail(
                (*where, "rules"), f"holds '{rule}', which leaves no identity aside", nearest(rule, ABOUT_ACTIONS)
            )
    return one
