"""The cells of a CSV record (RFC 4180), and which of the known exports a header belongs to.

Three kinds of CSV hold audit events: the Console's, results of CloudWatch Logs Insights, and tables of Log Analytics.
Their columns are in any order and number, so a header is told by the names it has, the most telling first.

Source: "Query control plane logs with CloudWatch Logs Insights" (EKS); the tables AKSAudit, AKSAuditAdmin and
AzureDiagnostics of the Azure Monitor reference; the portal marks columns of times with `` [UTC]``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Kind = Literal["insights", "azure"]
_INSIGHTS = frozenset(("@timestamp", "@message", "@logStream", "@log", "@ptr", "@ingestionTime"))
_AUDIT_ROW = frozenset(("ObjectRef", "RequestUri", "Stage", "Verb"))


@lru_cache(maxsize=64)
def table_columns(header: str) -> tuple[str, ...]:
    """The columns of a CSV that is not the Console's, without the portal's mark of UTC."""
    return tuple(one.strip().removesuffix(" [UTC]") for one in split_cells(header, ",") or ())


@lru_cache(maxsize=64)
def kind_of(header: str) -> Kind | None:
    """Whose export a header belongs to; None for the Console's and for everything unknown."""
    names = set(table_columns(header))
    if names & _INSIGHTS:
        return "insights"
    if "log_s" in names or ("AuditId" in names and names & _AUDIT_ROW) or {"category", "properties"} <= names:
        return "azure"
    if "TimeGenerated" in names and names & {"Type", "Category", "_ResourceId", "ResourceId"}:
        return "azure"  # a table of something else, whose rows are counted as such
    return None


def split_cells(text: str, delimiter: str) -> list[str] | None:
    """The cells of one record; None where a quote is left open or stands astray."""
    cells: list[str] = []
    at = 0
    pattern = _cell(delimiter)
    while (match := pattern.match(text, at)) is not None:
        quoted, plain = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        at = match.end()
        if at == len(text):
            return cells
        at += 1
    return None


@lru_cache(maxsize=8)
def _cell(delimiter: str) -> re.Pattern[str]:
    sign = re.escape(delimiter)
    return re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{sign}][^{sign}]*|))(?={sign}|\Z)')
