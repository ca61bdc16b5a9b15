"""What was done so often, or so fast, that a rule looks at it: bursts of actions, and secrets read in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubedossier.reports.actions import Actions

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.thresholds import BulkSecrets, Burst


def bursts(actions: Actions, before: Actions, limits: Burst) -> tuple[Actions, int]:
    """The actions of all days that are far above the identity's own median day, and the number of these days."""
    import polars as pl

    day = (_name("user").alias("who"), pl.col("time").dt.date().alias("day"))
    days = pl.concat([one.frame.select(day) for one in (actions, before)]).group_by("who", "day").len("number")
    number = pl.col("number")
    above = number >= limits.factor * number.median().over("who")
    high = days.filter(number >= limits.at_least, number.len().over("who") > 1, above)
    found = actions.frame.with_columns(day).join(high, on=["who", "day"], how="semi", maintain_order="left")
    return Actions(found.drop("who", "day"), actions.store), found.select("who", "day").n_unique()


def bulk_reads(actions: Actions, limits: BulkSecrets) -> Actions:
    """The reads of secrets of everybody who read many within the time, or, as a person, listed all."""
    import polars as pl

    reads = actions.of_kind(("secret access",))
    wide = (pl.col("target") == "secrets") & (pl.col("action") == "list")
    frame = reads.read("target").with_columns(
        _name("user").alias("reader"), reads.is_by(("human",)).alias("person"), pl.int_range(pl.len()).alias("place")
    )
    chosen = set(frame.filter(pl.col("person") & wide)["place"].to_list())
    for places, moments, secrets in _hasty(frame, limits).iter_rows():
        found = _many_at_once(moments, secrets, limits.within_minutes * 60_000_000, limits.secrets)
        chosen.update(places[one] for one in found)
    return reads.rows(sorted(chosen))


def _hasty(reads: pl.DataFrame, limits: BulkSecrets) -> pl.DataFrame:
    """Places, moments and secrets of everybody who read so often in so little time, whatever it was that was read."""
    import polars as pl

    since = pl.col("time") - pl.col("time").shift(limits.secrets - 1).over("reader")
    hasty = reads.filter((since < pl.duration(minutes=limits.within_minutes)).any().over("reader"))
    secret = pl.struct(_name("cluster"), "target").rank("dense")
    return (
        hasty.select("reader", "place", pl.col("time").to_physical().alias("moment"), secret.alias("secret"))
        .group_by("reader", maintain_order=True)
        .agg("place", "moment", "secret")
        .drop("reader")
    )


def _many_at_once(moments: Sequence[int], secrets: Sequence[int], within: int, many: int) -> list[int]:
    """Places of the reads that lie in a stretch of time, shorter than ``within``, with so many different secrets."""
    found: list[int] = []
    held: dict[int, int] = {}
    start = told = 0
    for end, secret in enumerate(secrets):
        held[secret] = held.get(secret, 0) + 1
        while moments[end] - moments[start] >= within:
            first = secrets[start]
            held[first] -= 1
            if not held[first]:
                del held[first]
            start += 1
        if len(held) >= many:
            told = max(told, start)
            found += range(told, end + 1)
            told = end + 1
    return found


def _name(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).cast(pl.String).fill_null("")
