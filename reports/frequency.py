"""What was done so often, or so fast, that a rule looks at it: bursts of actions, and secrets read in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubedossier.reports.actions import Actions

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.thresholds import BulkSecrets, Burst


def bursts(actions: Actions, before: pl.DataFrame, limits: Burst) -> tuple[Actions, int]:
    """The actions of all days that are far above the identity's own median day, and the number of these days.

    ``before`` is as of ``Before.days``.
    """
    import polars as pl

    day = (pl.col("user").fill_null("").alias("who"), pl.col("time").dt.date().alias("day"))
    number = pl.col("number")
    ours = actions.frame.select(day).group_by("who", "day").len("number")
    days = pl.concat([ours, before]).group_by("who", "day").agg(number.sum())
    above = number >= limits.factor * number.median().over("who")
    high = days.filter(number >= limits.at_least, number.len().over("who") > 1, above)
    if high.is_empty():
        return actions.none(), 0
    found = actions.frame.with_columns(day).join(high, on=["who", "day"], how="semi", maintain_order="left")
    return Actions(found.drop("who", "day"), actions.store), found.select("who", "day").n_unique()


def bulk_reads(actions: Actions, limits: BulkSecrets) -> Actions:
    """The reads of secrets of everybody who read many within the time, or, as a person, listed all."""
    import polars as pl

    reads = actions.of_kind(("secret access",))
    lists = reads.by(("human",)).where(pl.col("action") == "list").read("target")
    chosen = set(lists.filter(pl.col("target") == "secrets")["row"].to_list())
    for rows, moments, secrets in _hasty(reads, limits).iter_rows():
        found = _many_at_once(moments, secrets, limits.within_minutes * 60_000_000, limits.secrets)
        chosen.update(rows[one] for one in found)
    return reads.where(pl.col("row").is_in(pl.Series(list(chosen), dtype=pl.UInt32).implode()))


def _hasty(reads: Actions, limits: BulkSecrets) -> pl.DataFrame:
    """Rows, moments and secrets of everybody who read so often in so little time, whatever it was that was read."""
    import polars as pl

    reader = pl.col("user").fill_null("")
    since = pl.col("time") - pl.col("time").shift(limits.secrets - 1).over(reader)
    hasty = reads.where((since < pl.duration(minutes=limits.within_minutes)).any().over(reader))
    secret = pl.struct(pl.col("cluster").to_physical(), "target").rank("dense")
    return (
        hasty.read("target")
        .select(reader.alias("reader"), "row", pl.col("time").to_physical().alias("moment"), secret.alias("secret"))
        .group_by("reader", maintain_order=True)
        .agg("row", "moment", "secret")
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
