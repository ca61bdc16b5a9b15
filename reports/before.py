"""What the period before tells of privileged actions: only as much as this one is compared with.

It is asked as counts. One by one they are as many as those of the period itself, and nothing of them is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.vocabulary import user_kind

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Before:
    """The privileged actions of the period before.

    Attributes:
        kinds: how many of each kind.
        days: how many (``number``) of each identity (``who``; one without a name is ``""``) on each ``day``.
        bulk_readers: identities that read secrets in bulk.
    """

    kinds: Mapping[str, int]
    days: pl.DataFrame
    bulk_readers: frozenset[str]

    @classmethod
    def none(cls) -> Before:
        """Where the archive holds no past."""
        import polars as pl

        return cls(
            {}, _days(pl.DataFrame(schema={"user": pl.String, "date": pl.Date, "actions": pl.Int64})), frozenset()
        )

    @classmethod
    def of(cls, counts: pl.DataFrame, readers: pl.DataFrame, many: int) -> Before:
        """From the answers ``privileged_counts`` and ``bulk_readers``; ``many`` secrets at once are read in bulk."""
        import polars as pl

        kinds = counts.filter(pl.col("kind").is_not_null()).select("kind", "actions")
        bulk = frozenset(row["user"] or "" for row in readers.iter_rows(named=True) if _in_bulk(row, many))
        return cls(dict(kinds.iter_rows()), _days(counts.filter(pl.col("date").is_not_null())), bulk)

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.kinds.values())


def _days(counts: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    who, number = pl.col("user").fill_null("").cast(pl.Categorical), pl.col("actions").cast(pl.UInt32)
    return counts.select(who.alias("who"), pl.col("date").alias("day"), number.alias("number"))


def _in_bulk(row: Mapping[str, Any], many: int) -> bool:
    return bool(row["secrets"] >= many or (row["lists"] and user_kind(row["user"]) == "human"))
