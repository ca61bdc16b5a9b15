"""Who and where from is new: identities and addresses that the archive does not hold before the period.

New is only what an earlier record could have shown, so without one nobody is new. Addresses of pods change with every
start; for workloads an address counts as new only outside the ranges that clusters use inside.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Identities and addresses that are new in the period."""

    users: frozenset[str]
    addresses: frozenset[str]

    def took(self, actions: pl.DataFrame) -> pl.Series:
        """Whether each action is one of a new identity, or came from a new address."""
        import polars as pl

        if not self.users and not self.addresses:
            return pl.repeat(False, actions.height, dtype=pl.Boolean, eager=True)
        kinds = {user: user_kind(user) for user in actions["user"].unique().to_list()}
        user, addresses = pl.col("user"), pl.col("source_ips")
        seen = actions["source_ips"].drop_nulls().explode().unique().to_list()
        found = [one for one in seen if one in self.addresses]
        telling = {"human": found, None: [one for one in found if not _is_inside(one)]}
        came = {who: addresses.list.eval(pl.element().is_in(those)).list.any() for who, those in telling.items()}
        people = user.is_in([one for one, kind in kinds.items() if kind == "human"])
        parts = user.is_in([one for one, kind in kinds.items() if kind in ("node", "system")])
        is_new = user.is_in(list(self.users)).fill_null(False)
        from_new = pl.when(people.fill_null(False)).then(came["human"]).otherwise(came[None]).fill_null(False)
        return actions.select(~parts.fill_null(False) & (is_new | from_new)).to_series()

    def counts(self, actions: pl.DataFrame) -> tuple[Counter[str], Counter[str]]:
        """Privileged actions by new identity and by new address."""
        from_each = actions.select("source_ips").drop_nulls()["source_ips"].list.unique().explode()
        return _counted(actions["user"], self.users), _counted(from_each, self.addresses)


def newcomers(users: Iterable[str], addresses: Iterable[str], *, has_past: bool) -> Newcomers:
    """What is new; nothing where the archive holds no past. Words in place of an address are left out."""
    if not has_past:
        return Newcomers(frozenset(), frozenset())
    return Newcomers(frozenset(users), frozenset(one for one in addresses if "." in one or ":" in one))


def _counted(values: pl.Series, chosen: frozenset[str]) -> Counter[str]:
    counts = values.filter(values.is_in(list(chosen)).fill_null(False)).value_counts(name="count")
    return Counter(dict(counts.iter_rows()))


def denials(requests: pl.DataFrame) -> pl.Series:
    """Of each request, what ``was_denied`` says."""
    import polars as pl

    forbidden = (pl.col("decision") == "forbid").fill_null(False)
    return requests.select(forbidden | pl.col("status_code").is_in([401, 403]).fill_null(False)).to_series()


def was_denied(row: Mapping[str, Any]) -> bool:
    """Whether authorization forbade a request, or it was answered with 401 or 403."""
    return row["decision"] == "forbid" or row["status_code"] in (401, 403)


def _is_inside(address: str) -> bool:
    try:
        number = int.from_bytes(socket.inet_pton(socket.AF_INET, address))  # a tenth of the time, for most are such
    except (OSError, ValueError):
        return _is_inside_written_otherwise(address)
    return any(number & mask == network for mask, network in _INSIDE_4)


def _is_inside_written_otherwise(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return True
    return any(found in network for network in _INSIDE if network.version == found.version)
