"""The view ``events`` as a polars LazyFrame, for notebooks that would rather not write SQL.

It must show the same rows and columns as the view of the engine; a test compares the two.
"""

from __future__ import annotations

import polars as pl

from kubedossier.analytics.coverage import naive
from kubedossier.analytics.periods import Period
from kubedossier.analytics.schema import EVENT_SCHEMA, STAGE_RANK, UNDATED, FileRef
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.views import ADDED_COLUMNS, NATIVE_PREFIX
from kubedossier.analytics.vocabulary import TACTICS, techniques


def scan_events(ledger: Ledger, period: Period | None) -> pl.LazyFrame:
    """The events of a period, or all of them, also those without a time; ``time`` is ``Datetime("us", "UTC")``."""
    files = [one for one in ledger.live() if period is None or _touches(one, period)]
    complete = _scan(ledger, [one for one in files if not one.incomplete])
    frame = complete
    if incomplete := [one for one in files if one.incomplete]:
        rest = _scan(ledger, incomplete).with_columns(_rank().alias("rank"))
        every = pl.concat([complete, rest.drop("rank")]).filter(pl.col("audit_key").is_not_null())
        tops = every.group_by("audit_key").agg(_rank().max().alias("top"))
        shown = rest.join(tops, on="audit_key", how="left").filter(
            pl.col("top").is_null() | (pl.col("rank") >= pl.col("top"))
        )
        frame = pl.concat([complete, shown.drop("rank", "top")])
    if period is not None:
        frame = frame.filter((pl.col("time") >= naive(period.start)) & (pl.col("time") < naive(period.end)))
    return _derived(frame).select(*EVENT_SCHEMA.names, *ADDED_COLUMNS)


def _touches(file: FileRef, period: Period) -> bool:
    if file.month == UNDATED or file.min_time is None or file.max_time is None:
        return False
    return file.min_time < period.end and file.max_time >= period.start


def _scan(ledger: Ledger, files: list[FileRef]) -> pl.LazyFrame:
    if not files:
        return pl.DataFrame(EVENT_SCHEMA.empty_table()).with_columns(month=pl.lit(None, pl.String)).lazy()
    by_month: dict[str, list[FileRef]] = {}
    for one in files:
        by_month.setdefault(one.month, []).append(one)
    frame = pl.concat(
        pl.scan_parquet(
            [str(ledger.root / one.path) for one in group], glob=False, hive_partitioning=False
        ).with_columns(month=pl.lit(month))
        for month, group in by_month.items()
    )
    return frame.filter(~pl.col("snapshot").is_in(sorted(ledger.retracted))) if ledger.retracted else frame


def _rank() -> pl.Expr:
    return pl.col("stage").replace_strict(STAGE_RANK, default=0, return_dtype=pl.Int32)


def _derived(frame: pl.LazyFrame) -> pl.LazyFrame:
    native, derived = pl.col("techniques_native"), pl.col("techniques_derived")
    by_native, by_derived = native.list.len() > 0, derived.list.len() > 0
    blob = pl.col("raw").str.json_path_match("$.eventBlob")
    tactics = pl.concat_list(_tactic(one) for one in TACTICS).list.drop_nulls()
    return frame.with_columns(
        time=pl.col("time").dt.replace_time_zone("UTC"),
        techniques=pl.when(by_native)
        .then(native)
        .when(by_derived)
        .then(derived)
        .otherwise(pl.lit([], pl.List(pl.String))),
        technique_source=pl.when(by_native).then(pl.lit("native")).when(by_derived).then(pl.lit("derived")),
        event_blob=pl.when(pl.col("source_format").str.starts_with(NATIVE_PREFIX)).then(blob).otherwise(pl.col("raw")),
    ).with_columns(tactics=tactics)


def _tactic(name: str) -> pl.Expr:
    """The tactic's name where one of the event's techniques leads to it, else null."""
    values = [one.value for one in techniques().values() if name in one.tactics]
    found = pl.col("techniques").list.set_intersection(pl.lit(values, pl.List(pl.String))).list.len() > 0
    return pl.when(found).then(pl.lit(name))
