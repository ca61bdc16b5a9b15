"""One event as a typed row, and rows as Arrow batches.

A row is a function of the raw text, its context, its source format and the deriver's version: ``verify --deep`` makes
it again and compares. Nothing here may read the clock, the configuration or the archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from kubedossier.analytics.ingest.columns import column, same
from kubedossier.analytics.schema import EVENT_SCHEMA, UNDATED

DERIVER_VERSION = 1
_DAY_US = 86_400_000_000


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it came from a source.

    Attributes:
        raw: its exact bytes.
        source_format: ``console-json``, ``kubernetes-audit``, or None to find it by shape.
        context: what is needed besides raw to derive the row again, as JSON text.
        position: where it stood in its source, for people; a number is a line's.
        item: which record of an envelope it is, for people; empty where it came by itself.
        console: base URL of the Console it came from, without credentials; None for files.
        source: the file or URL, for rejects.
    """

    raw: bytes
    source_format: str | None = None
    context: str = "{}"
    position: str | int = ""
    console: str | None = None
    source: str = ""
    item: str = ""

    @property
    def place(self) -> str:
        """The position in words."""
        return (f"line {self.position}" if isinstance(self.position, int) else self.position) + self.item


class Row(msgspec.Struct, gc=False):
    """The derived columns of one event; see ``schema.EVENT_SCHEMA`` for names and types.

    The fields stand in the order of the schema. ``time`` counts microseconds since the epoch, UTC. Lists and maps are
    tuples, so that equal ones are stored once.
    """

    time: int | None = None
    verb: str | None = None
    user: str | None = None
    uid: str | None = None
    groups: tuple[str, ...] | None = None
    decision: str | None = None
    authorization: tuple[tuple[str, str], ...] | None = None
    message: str | None = None
    source_ips: tuple[str, ...] | None = None
    resources: str | None = None
    request_uri: str | None = None
    techniques_native: tuple[str, ...] | None = None
    cluster: str | None = None
    account: str | None = None
    provider: str | None = None
    collections: tuple[str, ...] | None = None
    action: str | None = None
    api_group: str | None = None
    api_version: str | None = None
    resource: str | None = None
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None
    user_kind: str | None = None
    status_code: int | None = None
    impersonated_user: str | None = None
    user_agent: str | None = None
    audit_id: str | None = None
    audit_key: bytes | None = None
    stage: str | None = None
    level: str | None = None
    body_present: bool | None = None
    techniques_derived: tuple[str, ...] | None = None
    rules_version: str | None = None
    source_format: str = ""
    flags: tuple[str, ...] | None = None
    event_id: bytes = b""
    raw: bytes = b""

    @property
    def epoch_day(self) -> int | None:
        """Days since the epoch, UTC; None where the event has no usable time."""
        return None if self.time is None else self.time // _DAY_US


def build_batch(rows: Sequence[Row], records: Sequence[Record], snapshot: str) -> pa.RecordBatch:
    """Rows and their records (one each, same order) as one batch of ``EVENT_SCHEMA``."""
    if not rows:
        return pa.RecordBatch.from_pylist([], schema=EVENT_SCHEMA)
    by_name: dict[str, Sequence[Any]] = dict(
        zip(Row.__struct_fields__, zip(*map(msgspec.structs.astuple, rows), strict=True), strict=True)
    )
    by_name["date"] = [None if time is None else time // _DAY_US for time in by_name["time"]]
    by_name["context"] = [record.context for record in records]
    by_name["console"] = [record.console for record in records]
    columns = [
        same(snapshot, len(rows), name) if name == "snapshot" else column(name, by_name[name])
        for name in EVENT_SCHEMA.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA)


def month_name(days: int | None) -> str:
    """The partition of a day counted from the epoch: ``YYYY-MM``, or ``undated``."""
    from kubedossier.analytics.ingest.times import month_of_day

    return UNDATED if days is None else month_of_day(days)
