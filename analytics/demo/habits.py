"""When people and machines do what they do: working days, sessions, leave, busy months and quiet ones.

Each actor's day is drawn from its own seed, so that a day has the same events whichever month is asked for, and
whoever is added to the cast changes nobody else's days.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from kubedossier.analytics.demo.actions import ACTIONS, DENIED, ROLES
from kubedossier.analytics.demo.cast import EDGE, MACHINES, PEOPLE, Machine, Person
from kubedossier.analytics.demo.records import Deed

SEED = "kubedossier demo 1"


def deeds_of(day: date) -> Iterator[Deed]:
    """All that ordinary people and machines did on one day (UTC), in no particular order."""
    for person in PEOPLE:
        yield from _day_of_person(person, day, random.Random(f"{SEED} {person.user} {day}"))
    for machine in MACHINES:
        rng = random.Random(f"{SEED} {machine.user} {machine.cluster.name} {day}")
        yield from _day_of_machine(machine, day, rng)
    yield from _scan(day, random.Random(f"{SEED} scan {day}"))


def _day_of_person(person: Person, day: date, rng: random.Random) -> Iterator[Deed]:
    month = random.Random(f"{SEED} {person.user} {day:%Y-%m}")
    pace, leave = month.uniform(0.7, 1.15), month.randrange(1, 120)
    if leave <= day.day < leave + 7:
        return
    wanted = pace * person.a_day * (person.weekend if day.weekday() >= 5 else 1.0)
    left = _about(wanted, rng)
    while left > 0:
        session = min(left, rng.choice((1, 1, 2, 2, 3, 4, 6)))
        yield from _session(person, day, session, rng)
        left -= session


def _session(person: Person, day: date, count: int, rng: random.Random) -> Iterator[Deed]:
    """A few requests in a row: one cluster, one namespace, one address."""
    cluster = rng.choices(person.clusters, [1 / (n + 1) for n in range(len(person.clusters))])[0]
    allowed_here = [name for name in cluster.namespaces if not person.namespaces or name in person.namespaces]
    namespace = rng.choice(allowed_here)
    app = rng.choice(cluster.namespaces[namespace])
    address = person.addresses[0] if rng.random() < 0.9 else rng.choice(person.addresses)
    kinds = ROLES[person.role]
    at = _moment(day, person.hours, rng)
    for _ in range(count):
        action = ACTIONS[rng.choices(list(kinds), list(kinds.values()))[0]]
        if action.body == "dns":
            namespace = "kube-system"
        yield Deed(
            at, cluster, person.user, _groups(person.role), address, person.agent, action, namespace, app,
            allowed=rng.random() >= DENIED.get(person.role, 0.0), granted_by=person.role.replace(" ", "-"),
        )  # fmt: skip
        at += timedelta(seconds=rng.expovariate(1 / 70), milliseconds=rng.randrange(1000))


def _day_of_machine(machine: Machine, day: date, rng: random.Random) -> Iterator[Deed]:
    pace = random.Random(f"{SEED} {machine.user} {machine.cluster.name} {day:%Y-%m}").uniform(0.8, 1.15)
    wanted = pace * machine.a_day * (machine.weekend if day.weekday() >= 5 else 1.0)
    for _ in range(_about(wanted, rng)):
        namespace = rng.choice(machine.namespaces)
        app = rng.choice(machine.cluster.namespaces[namespace])
        action = ACTIONS[rng.choices(list(machine.deeds), list(machine.deeds.values()))[0]]
        deed = Deed(
            _moment(day, machine.busy, rng), machine.cluster, machine.user, _groups_of_machine(machine.user),
            machine.address, machine.agent, action, namespace, app, granted_by="automation",
        )  # fmt: skip
        yield replace(deed, allowed=rng.random() >= machine.denied)


def _scan(day: date, rng: random.Random) -> Iterator[Deed]:
    """Now and then somebody on the internet tries the doors of the site without a login."""
    if rng.random() > 0.09:
        return
    at, address = _moment(day, (0, 24), rng), f"203.0.113.{rng.randrange(100, 250)}"
    for _ in range(rng.randrange(12, 34)):
        kind = rng.choice(("list secrets", "list pods", "kubelet", "exec"))
        action = replace(ACTIONS[kind], message="Anonymous request", techniques=("accessKubernetesAPIServer",))
        yield Deed(at, EDGE, "system:anonymous", (), address, "python-requests/2.27.1", action, "sorting",
                   "belt-control", allowed=False)  # fmt: skip
        at += timedelta(milliseconds=rng.randrange(200, 1900))


def _moment(day: date, hours: tuple[int, int], rng: random.Random) -> datetime:
    """A moment of the day within the hours, most often in their middle."""
    first, last = hours
    part = rng.random() if last - first >= 23 else rng.betavariate(1.7, 1.7)
    return datetime.combine(day, time(), UTC) + timedelta(
        milliseconds=int((first + part * (last - first)) * 3_600_000), microseconds=rng.randrange(1000)
    )


def _about(wanted: float, rng: random.Random) -> int:
    """A whole number that is ``wanted`` on average, and varies as counts do."""
    return max(0, int(rng.gauss(wanted, wanted**0.5) + rng.random()))


def _groups(role: str) -> tuple[str, ...]:
    if role == "break glass":
        return ("system:masters",)
    return (f"example:{role.replace(' ', '-')}",)


def _groups_of_machine(user: str) -> tuple[str, ...]:
    if user.startswith("system:serviceaccount:"):
        return ("system:serviceaccounts", f"system:serviceaccounts:{user.split(':')[2]}")
    return ("system:nodes",) if user.startswith("system:node:") else ()
