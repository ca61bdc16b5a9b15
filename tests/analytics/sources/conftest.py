"""Audit events of our own making, and what becomes of a file's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record, Row, build_batch
from kubedossier.analytics.ingest.sources import SkippedRecord, csv_context, derive, expand, read_ordinary
from kubedossier.analytics.ingest.sources.framing import frame

EVENT = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "11111111-2222-3333-4444-555555555555",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/configmaps/prices",
    "verb": "get",
    "user": {"username": "ann@example.com", "uid": "u-1", "groups": ["staff", "system:authenticated"]},
    "sourceIPs": ["192.0.2.7"],
    "userAgent": "kubectl/v1.31",
    "objectRef": {"resource": "configmaps", "namespace": "shop", "name": "prices", "apiVersion": "v1"},
    "responseStatus": {"metadata": {}, "code": 200},
    "requestReceivedTimestamp": "2026-10-03T04:05:06.789012Z",
    "stageTimestamp": "2026-10-03T04:05:06.791000Z",
    "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC"},
}


@dataclass
class Outcome:
    """What became of the records of one file."""

    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, str]] = field(default_factory=list)

    @property
    def row(self) -> Row:
        assert len(self.rows) == 1, self
        assert not self.rejected, self
        return self.rows[0]


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """An ordinary event with fields replaced; a field set to None is left out."""

    def make(**fields: Any) -> dict[str, Any]:
        return {key: value for key, value in (EVENT | fields).items() if value is not None}

    return make


@pytest.fixture
def taken() -> Callable[..., Outcome]:
    """Take a file's bytes in, as an import does, and make every row again from what the archive would keep of it."""

    def take(*blocks: bytes, context: str = "{}", source_format: str | None = None) -> Outcome:
        outcome = Outcome()
        for one in frame(blocks):
            its_context = csv_context(context, one.header) if one.header is not None else context
            _take(outcome, Record(one.raw, source_format, its_context, one.position, None, "file"))
        _assert_made_again(outcome.rows, outcome.records)
        return outcome

    return take


def _take(outcome: Outcome, record: Record) -> None:
    if (row := read_ordinary(record)) is not None:
        outcome.rows.append(row)
        outcome.records.append(record)
        return
    for one in expand(record):
        try:
            outcome.rows.append(derive(one))
            outcome.records.append(one)
        except SkippedRecord as skipped:
            outcome.skipped[str(skipped)] += 1
        except RejectedRecord as rejected:
            outcome.rejected.append((rejected.reason, one.place))


def _assert_made_again(rows: Sequence[Row], records: Sequence[Record]) -> None:
    if not rows:
        return
    stored = build_batch(rows, records, "s")
    again = [
        derive(Record(raw.encode(), source_format, context))
        for raw, source_format, context in zip(
            *(stored.column(name).to_pylist() for name in ("raw", "source_format", "context")), strict=True
        )
    ]
    assert again == list(rows)
