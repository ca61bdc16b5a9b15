"""The columns of the archive's Parquet files, and the reference to a file in the ledger.

The format is frozen by the first snapshot of the first user: a change here needs a new format version. Timestamps are
``timestamp[us]`` without a zone and mean UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    EVENT_SCHEMA: pa.Schema

FORMAT_VERSION = 1
UNDATED = "undated"

STAGE_RANK = {"RequestReceived": 1, "ResponseStarted": 2, "Panic": 3, "ResponseComplete": 4}
"""A record is hidden from the view ``events`` when one of a higher stage with the same ``audit_key`` exists."""


@dataclass(frozen=True, slots=True)
class FileRef:
    """One live file as the ledger names it.

    Attributes:
        path: relative to the archive, with ``/``.
        role: ``events``, ``rejects``, ``seal`` or ``rollup``.
        month: ``YYYY-MM`` or ``undated``; empty for rejects.
        sha256: lower-case hex of the file's bytes.
        bytes: size.
        rows: events or rejects in it.
        min_time, max_time: of the column ``time``, aware UTC; None where no row has one.
        incomplete: rows that a record of a higher stage may hide.
        snapshot: id of the ledger entry that added it.
    """

    path: str
    role: str
    month: str
    sha256: str
    bytes: int
    rows: int
    min_time: datetime | None
    max_time: datetime | None
    incomplete: int
    snapshot: str


def __getattr__(name: str) -> pa.Schema:
    """Build ``EVENT_SCHEMA`` when it is first asked for: a question on the terminal needs no Arrow."""
    if name != "EVENT_SCHEMA":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = schema = _event_schema()
    return schema


def _event_schema() -> pa.Schema:
    import pyarrow as pa

    strings = pa.list_(pa.field("element", pa.string()))
    hashed = pa.binary(32)
    return pa.schema(
        [
            ("time", pa.timestamp("us")),
            ("date", pa.date32()),
            ("verb", pa.string()),
            ("user", pa.string()),
            ("uid", pa.string()),
            ("groups", strings),
            ("decision", pa.string()),
            ("authorization", pa.map_(pa.string(), pa.string())),
            ("message", pa.string()),
            ("source_ips", strings),
            ("resources", pa.string()),
            ("request_uri", pa.string()),
            ("techniques_native", strings),
            ("cluster", pa.string()),
            ("account", pa.string()),
            ("provider", pa.string()),
            ("collections", strings),
            ("action", pa.string()),
            ("api_group", pa.string()),
            ("api_version", pa.string()),
            ("resource", pa.string()),
            ("subresource", pa.string()),
            ("namespace", pa.string()),
            ("name", pa.string()),
            ("user_kind", pa.string()),
            ("status_code", pa.int32()),
            ("impersonated_user", pa.string()),
            ("user_agent", pa.string()),
            ("audit_id", pa.string()),
            ("audit_key", hashed),
            ("stage", pa.string()),
            ("level", pa.string()),
            ("body_present", pa.bool_()),
            ("techniques_derived", strings),
            ("rules_version", pa.string()),
            ("console", pa.string()),
            ("source_format", pa.string()),
            ("snapshot", pa.string()),
            ("flags", strings),
            ("event_id", hashed),
            ("context", pa.string()),
            ("raw", pa.string()),
        ],
        metadata={"kubedossier.format": str(FORMAT_VERSION), "kubedossier.time": "UTC"},
    )
