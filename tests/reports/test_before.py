"""What the period before is compared by is counted by the database: counting its actions one by one gives the same."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.thresholds import BulkSecrets
from kubedossier.reports import asking
from kubedossier.reports.actions import Actions
from kubedossier.reports.frequency import bulk_reads

from .conftest import CLUSTERS, NOVEMBER, OCTOBER, event, snapshot

AFTER = parse_period("2026-11", now=NOVEMBER)
USERS = ["", "anna@example.com", "eve@example.com", "system:node:a", "system:serviceaccount:a:b"]
DENIED = [
    {},
    {},
    {},
    {"authorizationInfo": {"authorization.k8s.io/decision": "forbid"}},
    {"authorizationInfo": {"authorization.k8s.io/decision": None}},
]


def some_reads(seed: int, number: int):
    chance = random.Random(seed)
    for _ in range(number):
        at = OCTOBER + timedelta(milliseconds=chance.randrange(3 * 86_400_000))
        verb, name = chance.choice([("get", "a"), ("get", "b"), ("get", "c"), ("list", ""), ("watch", "")])
        one = event(at, chance.choice(USERS), (verb, "secrets", "", "kubernetesSecrets", name, 1), CLUSTERS[seed % 2])
        place = chance.choice(["/namespaces/a", "/namespaces/b", ""])
        uri = f"/api/v1{place}/secrets{'/' + name if name else ''}"
        yield one | {"requestURI": uri} | chance.choice(DENIED)


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    root = tmp_path_factory.mktemp("before") / "archive"
    events = [*some_reads(1, 300), *some_reads(2, 300)]
    exec_ = ("create", "pods", "exec", "execIntoContainer", "web", 1)
    events += [event(OCTOBER + timedelta(hours=n), USERS[n % 3], exec_, CLUSTERS[0]) for n in range(40)]
    snapshot(root, events, OCTOBER, NOVEMBER)
    return Archive(root)


@pytest.mark.parametrize(
    "limits", [BulkSecrets(secrets=2, within_minutes=1), BulkSecrets(3, 30), BulkSecrets(5, 60), BulkSecrets(6, 240)]
)
def test_the_counts_are_those_of_the_actions_one_by_one(past, limits):
    before = asking.ask(past, AFTER, limits).before
    acts = Actions.from_rows(past.answer("privileged_actions", period="2026-10", limit=0).frame)
    assert before.kinds == acts.kinds()
    assert before.total == len(acts) > 500
    one_by_one = Counter((one.user or "", one.time.date()) for one in acts)
    assert {(who, day): number for who, day, number in before.days.iter_rows()} == one_by_one
    assert before.bulk_readers == set(bulk_reads(acts, limits).users())


def test_some_read_in_bulk_and_some_do_not(past):
    every = set(Actions.from_rows(past.answer("privileged_actions", period="2026-10", limit=0).frame).users())
    assert set() < asking.ask(past, AFTER, BulkSecrets(4, 5)).before.bulk_readers < every


def test_without_a_past_nothing_is_asked_of_it(past):
    asked = asking.ask(past, parse_period("2026-10", now=NOVEMBER))
    assert (asked.before.total, asked.before.bulk_readers, asked.before.days.height) == (0, frozenset(), 0)
    assert "bulk_readers" not in asked.marks
