"""Who and where from is new: identities and addresses that the archive does not hold before the period.

New is only what an earlier record could have shown, so without one nobody is new. Addresses of pods change with every
start; for workloads an address counts as new only outside the ranges that clusters use inside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.vocabulary import user_kind

if TYPE_CHECKING:
    import polars as pl

_INSIDE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
_INSIDE_4 = [(int(one.netmask), int(one.network_address)) for one in _INSIDE if one.version == 4]
_PART = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_DOTTED = rf"^({_PART}\.){{3}}{_PART}$"


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Identities and addresses that are new in the period; there may be as many as there are events."""

    users: pl.Series
    addresses: pl.Series

    @classmethod
    def none(cls) -> Newcomers:
        """Nobody: where the archive holds no past, nobody can be called new."""
        return cls.of((), ())

    @classmethod
    def of(cls, users: pl.Series | Iterable[str], addresses: pl.Series | Iterable[str]) -> Newcomers:
        """These; words in place of an address are left out."""
        import polars as pl

        users, addresses = (pl.Series(one, dtype=pl.String) for one in (users, addresses))
        return cls(users, addresses.filter(addresses.str.contains("[.:]")))

    def took(self, actions: pl.DataFrame) -> pl.Series:
        """Whether each action is one of a new identity, or came from a new address."""
        import polars as pl

        if self.users.is_empty() and self.addresses.is_empty():
            return pl.repeat(False, actions.height, dtype=pl.Boolean, eager=True)
        names = actions["user"].unique().cast(pl.String)
        kinds = {user: user_kind(user) for user in names.to_list()}
        user, row = pl.col("user"), pl.int_range(pl.len(), dtype=pl.UInt32)
        each = actions.select(row.alias("row"), pl.col("source_ips").alias("address")).explode("address")
        found = each.join(self.addresses.to_frame("address"), on="address", how="semi")
        outside = found.filter(~inside(found["address"]))
        people = user.is_in([one for one, kind in kinds.items() if kind == "human"])
        parts = user.is_in([one for one, kind in kinds.items() if kind in ("node", "system")])
        is_new = user.is_in(names.filter(names.is_in(self.users.implode())).to_list()).fill_null(False)
        came, came_outside = (row.is_in(one["row"].unique().implode()) for one in (found, outside))
        from_new = pl.when(people.fill_null(False)).then(came).otherwise(came_outside)
        return actions.select(~parts.fill_null(False) & (is_new | from_new)).to_series()

    def counts(self, actions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Privileged actions (``privileged``) by new identity (``user``) and by new address (``source_ip``)."""
        import polars as pl

        each = actions.select(pl.col("source_ips").list.unique().alias("source_ip")).explode("source_ip")
        return _counted(actions["user"].cast(pl.String), self.users), _counted(
            each["source_ip"], self.addresses.rename("source_ip")
        )


def _counted(values: pl.Series, chosen: pl.Series) -> pl.DataFrame:
    import polars as pl

    some = values.to_frame().join(chosen.rename(values.name).to_frame(), on=values.name, how="semi")
    return some.group_by(values.name).agg(pl.len().cast(pl.Int64).alias("privileged"))


def denials(requests: pl.DataFrame) -> pl.Series:
    """Of each request, what ``was_denied`` says."""
    import polars as pl

    forbidden = (pl.col("decision") == "forbid").fill_null(False)
    return requests.select(forbidden | pl.col("status_code").is_in([401, 403]).fill_null(False)).to_series()


def was_denied(row: Mapping[str, Any]) -> bool:
    """Whether authorization forbade a request, or it was answered with 401 or 403."""
    return row["decision"] == "forbid" or row["status_code"] in (401, 403)


def inside(addresses: pl.Series) -> pl.Series:
    """Whether each address is of a range that clusters use inside, or none at all."""
    import polars as pl

    dotted = addresses.str.contains(_DOTTED)
    numbers = addresses.filter(dotted).str.split_exact(".", 3).struct.unnest().cast(pl.UInt32)
    number = reduce(lambda high, low: high * 256 + low, (pl.col(one) for one in numbers.columns))
    ranges = reduce(lambda one, other: one | other, ((number & mask) == network for mask, network in _INSIDE_4))
    others = addresses.filter(~dotted)
    told = {one: _is_inside(one) for one in others.unique().to_list()}
    found = pl.Series(addresses.name, [told[one] for one in others.to_list()], dtype=pl.Boolean)
    order = pl.concat([dotted.arg_true(), dotted.not_().arg_true()]).arg_sort()
    return pl.concat([numbers.select(ranges.alias(addresses.name)).to_series(), found]).gather(order)


def _is_inside(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return True
    return any(found in network for network in _INSIDE if network.version == found.version)
