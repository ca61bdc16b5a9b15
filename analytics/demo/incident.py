"""The one night worth finding: a contractor's account, an address never seen before, and no work after it.

What happens, in order: the account lists its rights and is refused a few times; it enters a payments pod and reads the
service account's token; with that account it lists and reads the secrets and binds the contractor to cluster-admin;
a privileged pod follows, the cloud's metadata service, and the deletion of events. Then it is quiet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from kubedossier.analytics.demo.actions import ACTIONS, Action
from kubedossier.analytics.demo.cast import PAY
from kubedossier.analytics.demo.records import Deed

INTRUDER = "r.voss.ext@example.com"
STOLEN = "system:serviceaccount:payments:settlement"
NEW_ADDRESS = "203.0.113.77"
_AGENT = "kubectl/v1.27.2 (linux/amd64) kubernetes/7f6f68f"


def night_of_the_incident(month: date) -> datetime:
    """When it begins: the third Saturday of the month, 22:41 UTC."""
    first = month.replace(day=1)
    saturday = first + timedelta(days=(5 - first.weekday()) % 7 + 14)
    return datetime.combine(saturday, time(22, 41, 7, 318_204), UTC)


def incident_of(month: date) -> Iterator[Deed]:
    """Every request of that night, in order."""
    at = night_of_the_incident(month)
    for minutes, user, action, namespace, app, allowed in _steps():
        at += timedelta(minutes=minutes, seconds=13, milliseconds=271)
        groups: tuple[str, ...] = ("example:contractor",)
        if user == STOLEN:
            groups = ("system:serviceaccounts", "system:serviceaccounts:payments")
        yield Deed(
            at, PAY, user, groups, NEW_ADDRESS, _AGENT, action, namespace, app, allowed,
            granted_by="settlement" if user == STOLEN else "contractor", subject=INTRUDER,
        )  # fmt: skip


def left_quiet(deed: Deed, month: date) -> bool:
    """Whether an ordinary deed stands in the story's way: the contractor is not seen again that month."""
    return deed.user == INTRUDER and deed.time >= night_of_the_incident(month)


_Step = tuple[float, str, Action, str, str, bool]


def _steps() -> list[_Step]:
    """Minutes since the step before, who, what, where, and whether it was allowed."""
    me, stolen = INTRUDER, STOLEN
    shell = replace(ACTIONS["exec"], name="node-maintenance")
    metadata = replace(ACTIONS["exec metadata"], name="node-maintenance")
    steps: list[_Step] = [
        (0, me, ACTIONS["review rights"], "checkout", "basket", True),
        (1, me, ACTIONS["list pods"], "external-secrets", "external-secrets", False),
        (0.2, me, ACTIONS["list secrets"], "payments", "settlement", False),
        (0.2, me, ACTIONS["list pods"], "payments", "settlement", True),
        (2, me, ACTIONS["exec"], "payments", "card-gateway", False),
        (0.4, me, ACTIONS["exec"], "payments", "settlement", True),
        (3, me, ACTIONS["exec token"], "payments", "settlement", True),
        (5, stolen, ACTIONS["review rights"], "payments", "settlement", True),
        (1, stolen, ACTIONS["list secrets"], "payments", "settlement", True),
    ]
    for app in ("ledger-api", "card-gateway", "settlement", "fraud-score"):
        for secret in ("db", "tls", "api-key"):
            read = replace(ACTIONS["read secret"], name=f"{app}-{secret}")
            steps.append((0.3, stolen, read, "payments", app, True))
    steps += [
        (4, stolen, ACTIONS["bind cluster admin"], "", "settlement", True),
        (2, me, replace(ACTIONS["list secrets"], wide=True), "", "settlement", True),
        (3, me, ACTIONS["privileged pod"], "kube-system", "node", True),
        (1, me, shell, "kube-system", "node", True),
        (2, me, metadata, "kube-system", "node", True),
        (4, me, ACTIONS["token"], "kube-system", "cluster-autoscaler", True),
        (6, me, ACTIONS["delete events"], "kube-system", "node", True),
        (0.1, me, ACTIONS["delete events"], "payments", "settlement", True),
    ]
    return steps
