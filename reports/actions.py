"""Privileged actions, column by column: what the rules filter, count and cite.

A month may have a million of them. A name that comes again and again is held once, and no action is made an object but
the few that are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.event_ids import EventIds
from kubedossier.reports.gathering import own_memory
from kubedossier.reports.newcomers import Newcomers, denials

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from kubedossier.analytics.thresholds import OfficeHours

_NAMES = ("user", "impersonated_user", "kind", "action", "cluster", "decision")
_COLUMNS = ("time", *_NAMES, "status_code", "denied", "is_new", "target", "source_ips", "detail", "event_id")
_TARGET = ("namespace", "resource", "name", "subresource")


class Action(NamedTuple):
    """One privileged action, as far as a rule looks at it.

    Attributes:
        is_new: of an identity, or from an address, that the archive does not hold before the period.
        target: namespace, resource, name and subresource, as far as known, with slashes between them.
        detail: what the body of the request tells, such as the role bound and to whom; may be empty.
    """

    time: datetime
    user: str | None
    kind: str
    cluster: str | None
    denied: bool
    is_new: bool
    action: str = ""
    target: str = ""
    detail: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What was done by one identity, from one set of addresses, on one cluster."""

    user: str
    addresses: tuple[str, ...]
    cluster: str
    number: int
    first: datetime
    last: datetime
    kinds: Counter[str]


@dataclass(frozen=True)
class Actions:
    """Some privileged actions.

    Attributes:
        frame: one row each, in the order of time: what rules filter and count by, and the ``row`` in the store.
        store: what is long and rarely looked at, of these and perhaps others; compact, for it is most of the memory.
    """

    frame: pl.DataFrame
    store: pa.Table

    @classmethod
    def of(cls, actions: Iterable[Action]) -> Actions:
        """From single ones."""
        import polars as pl

        texts = dict.fromkeys((*_NAMES, "target", "event_id"), pl.String)
        lists = dict.fromkeys(("detail", "addresses"), pl.List(pl.String))
        flags = dict.fromkeys(("denied", "is_new"), pl.Boolean)
        schema: dict[str, Any] = {"time": pl.Datetime("us", "UTC"), **texts, **lists, **flags, "status_code": pl.Int32}
        frame = pl.DataFrame([one._asdict() for one in actions], schema=schema).rename({"addresses": "source_ips"})
        return cls._kept(frame)

    @classmethod
    def from_rows(cls, frame: pl.DataFrame) -> Actions:
        """From the rows of an answer, of which nothing else is held any longer; none is told to be new."""
        import polars as pl

        parts = [pl.col(name).replace("", None) for name in _TARGET]
        target = pl.concat_str(parts, separator="/", ignore_nulls=True).alias("target")
        nothing: dict[str, Any] = {"detail": pl.List(pl.String), "impersonated_user": pl.String}
        missing = [pl.lit(None, kind).alias(name) for name, kind in nothing.items() if name not in frame.columns]
        flags = (denials(frame).alias("denied"), pl.lit(False).alias("is_new"))
        return cls._kept(frame.with_columns(target, *missing, *flags).select(*_COLUMNS))

    @classmethod
    def _kept(cls, frame: pl.DataFrame) -> Actions:
        import polars as pl
        import pyarrow as pa

        light = own_memory(
            frame.select(
                "time",
                pl.col(_NAMES).cast(pl.Categorical),
                pl.col("status_code").cast(pl.Int32),
                "denied",
                "is_new",
                pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
            )
        )
        long = frame.select("target", "source_ips", "detail", pl.col("event_id").str.decode("hex"))
        store = long.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.schema(_kinds_stored()))
        return cls(light, store.take(light["row"].to_arrow()))  # a copy: what polars gives has a third of room to spare

    @classmethod
    def joined(cls, parts: Sequence[Actions]) -> Actions:
        """All of several parts, one after another."""
        import polars as pl
        import pyarrow as pa

        starts = accumulate((len(one) for one in parts[:-1]), initial=0)
        frames = [one.frame.with_columns(pl.col("row") + start) for one, start in zip(parts, starts, strict=True)]
        return cls(pl.concat(frames), pa.concat_tables([one.store for one in parts]))

    def told(self, new: Newcomers) -> Actions:
        """The same, told which are of newcomers."""
        return Actions(self.frame.with_columns(new.took(self.read("source_ips")).alias("is_new")), self.store)

    def __len__(self) -> int:
        """How many there are."""
        return self.frame.height

    def __iter__(self) -> Iterator[Action]:
        """One by one: for the few that are shown."""
        import polars as pl

        shown = self.read("target", "detail", "source_ips", "event_id").select(
            pl.col("time"),
            pl.col("user", "kind", "cluster").cast(pl.String),
            pl.col("denied", "is_new"),
            pl.col("action").cast(pl.String).fill_null(""),
            pl.col("target", "detail", "source_ips"),
            pl.col("event_id").bin.encode("hex"),
        )
        for *known, detail, addresses, event_id in shown.iter_rows():
            yield Action._make((*known, tuple(detail or ()), tuple(addresses or ()), event_id))

    def read(self, *columns: str) -> pl.DataFrame:
        """The frame with some columns of the store beside it."""
        import polars as pl

        return self.frame.hstack(pl.DataFrame(self._stored(*columns)))

    def _stored(self, *columns: str) -> pa.Table:
        """Some columns of the store, a row each."""
        rows, found = self.frame["row"], self.store.select(columns)
        return found if len(rows) == len(found) else found.take(rows.to_arrow())

    def none(self) -> Actions:
        """None of them."""
        return Actions(self.frame.clear(), self.store)

    def rows(self, indexes: Sequence[int]) -> Actions:
        """Some of them by their place."""
        import polars as pl

        return Actions(self.frame[pl.Series(indexes, dtype=pl.UInt32)], self.store)

    def where(self, *conditions: pl.Expr) -> Actions:
        """Those for which all conditions hold."""
        return Actions(self.frame.filter(*conditions), self.store)

    def of_kind(self, kinds: Collection[str]) -> Actions:
        """Those of some kinds that were not denied."""
        import polars as pl

        return self.where(pl.col("kind").is_in(list(kinds)), ~pl.col("denied"))

    def of_newcomers(self) -> Actions:
        """Those of newcomers that were not denied."""
        import polars as pl

        return self.where(pl.col("is_new"), ~pl.col("denied"))

    def by(self, kinds: Collection[str]) -> Actions:
        """Those of users of some kinds, such as ``human``."""
        return self.where(self.is_by(kinds))

    def is_by(self, kinds: Collection[str]) -> pl.Expr:
        """Whether one is of a user of some kinds."""
        return self._is_of(lambda user: user_kind(user) in kinds)

    def without(self, users: Collection[str]) -> Actions:
        """All but those of some users; one without a name is ``""``."""
        return self.where(self._is_of(lambda user: (user or "") not in users)) if users else self

    def outside(self, hours: OfficeHours) -> Actions:
        """Those outside office hours."""
        import polars as pl

        minute = pl.col("time").dt.truncate("1m")
        minutes = self.frame.select(minute.alias("time")).unique().to_series()
        chosen = pl.Series([one for one in minutes.to_list() if hours.excludes(one)], dtype=minutes.dtype)
        return self.where(minute.is_in(chosen.implode()))

    def are_of(self, events: EventIds) -> pl.Series:
        """Whether each is what one of some events tells of."""
        import polars as pl
        import pyarrow.compute as pc

        return pl.Series(pc.is_in(self._stored("event_id")["event_id"], events.array()), dtype=pl.Boolean)

    def users(self) -> Counter[str]:
        """How many of each user; one without a name is ``""``."""
        found: Counter[str] = Counter()
        for user, number in self.frame["user"].value_counts(name="number").iter_rows():
            found[user or ""] += number
        return found

    def kinds(self) -> Counter[str]:
        """How many of each kind."""
        return Counter(dict(self.frame["kind"].value_counts(name="number").iter_rows()))

    @cached_property
    def span(self) -> tuple[date, date]:
        """The first and the last day."""
        import polars as pl

        first, last = self.frame.select(pl.col("time").min(), pl.col("time").max().alias("last")).row(0)
        return first.date(), last.date()

    def places(self, shown: int) -> tuple[list[Place], int]:
        """The places with the most actions, most first, then the earliest; and how many there are in all."""
        import polars as pl

        names, addresses = pl.col("user", "cluster").cast(pl.String).fill_null(""), pl.col("source_ips").fill_null([])
        moments = (pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
        every = (
            self.read("source_ips")
            .group_by(names, addresses.alias("addresses"))
            .agg(pl.len().alias("number"), *moments, pl.col("kind").alias("kinds"))
        )
        found = every.sort("number", "first", descending=[True, False])
        if found.height > shown:
            least = found.row(shown - 1, named=True)
            more, alike = pl.col("number") > least["number"], pl.col("number") == least["number"]
            found = found.filter(more | (alike & (pl.col("first") <= least["first"])))
        places = [_place(row) for row in found.iter_rows(named=True)]
        places.sort(key=lambda one: (-one.number, one.first, one.user, one.addresses, one.cluster))
        return places[:shown], every.height

    def events(self) -> EventIds:
        """The ids of their events."""
        return EventIds.of(self._stored("event_id")["event_id"])

    def details(self) -> set[tuple[str, ...]]:
        """What the bodies of their requests tell."""
        return {tuple(one) for one in self.read("detail")["detail"].drop_nulls().to_list() if len(one)}

    def _is_of(self, chosen: Callable[[str | None], bool]) -> pl.Expr:
        import polars as pl

        users = self.frame["user"].unique().to_list()
        some = pl.col("user").is_in([one for one in users if one is not None and chosen(one)])
        return some.fill_null(chosen(None))


def _place(row: Mapping[str, Any]) -> Place:
    kinds = Counter(row["kinds"])
    return Place(row["user"], tuple(row["addresses"]), row["cluster"], row["number"], row["first"], row["last"], kinds)


def _kinds_stored() -> dict[str, pa.DataType]:
    import pyarrow as pa

    texts = pa.list_(pa.string())
    return {"target": pa.string(), "source_ips": texts, "detail": texts, "event_id": pa.binary(32)}
