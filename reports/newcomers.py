"""Who and where from is new: identities and addresses that the archive does not hold before the period.

New is only what an earlier record could have shown, so without one nobody is new. Addresses of pods change with every
start; for workloads an address counts as new only outside the ranges that clusters use inside.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubedossier.analytics.vocabulary import user_kind

_INSIDE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Identities and addresses that are new in the period."""

    users: frozenset[str]
    addresses: frozenset[str]

    def took(self, action: Mapping[str, Any]) -> bool:
        """Whether an action is one of a new identity, or came from a new address."""
        user, kind = action["user"], user_kind(action["user"])
        if kind in ("node", "system"):
            return False
        return user in self.users or any(self._is_telling(address, kind) for address in action["source_ips"] or ())

    def counts(self, actions: Iterable[Mapping[str, Any]]) -> tuple[Counter[str], Counter[str]]:
        """Privileged actions by new identity and by new address."""
        by_user: Counter[str] = Counter()
        by_address: Counter[str] = Counter()
        for action in actions:
            if action["user"] in self.users:
                by_user[action["user"]] += 1
            by_address.update(set(action["source_ips"] or ()) & self.addresses)
        return by_user, by_address

    def _is_telling(self, address: str, kind: str | None) -> bool:
        return address in self.addresses and (kind == "human" or not _is_inside(address))


def newcomers(users: Iterable[str], addresses: Iterable[str], *, has_past: bool) -> Newcomers:
    """What is new; nothing where the archive holds no past. Words in place of an address are left out."""
    if not has_past:
        return Newcomers(frozenset(), frozenset())
    return Newcomers(frozenset(users), frozenset(one for one in addresses if "." in one or ":" in one))


def was_denied(row: Mapping[str, Any]) -> bool:
    """Whether authorization forbade a request, or it was answered with 401 or 403."""
    return row["decision"] == "forbid" or row["status_code"] in (401, 403)


def _is_inside(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return True
    return any(found in network for network in _INSIDE if network.version == found.version)
