"""The rules about what should not happen: each fires at its threshold and not below it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.thresholds import Thresholds
from kubedossier.reports import exception_rules as rules
from kubedossier.reports import telling
from kubedossier.reports.actions import Action, Actions
from kubedossier.reports.before import Before
from kubedossier.reports.text import sentence

SATURDAY = datetime(2026, 10, 17, 22, 46, tzinfo=UTC)
MONDAY = datetime(2026, 10, 19, 10, 0, tzinfo=UTC)


class Seen:
    """All that these rules read."""

    marks: ClassVar = {"grave_changes": "E1", "privileged_actions": "E2", "first_seen_ips": "E3", "receipts": "E4"}
    previous_known = True
    thresholds = Thresholds()

    before = Before.none()

    def __init__(self, *, actions=(), grave=(), **given):
        self.actions, self.grave = map(Actions.of, (actions, grave))
        self.__dict__.update(given)


def act(number=0, *, at=SATURDAY, user="eve@example.com", kind="exec", **more):
    fields = {"cluster": "prod", "denied": False, "is_new": True, "action": "create", "target": "shop/pods/web/exec"}
    fields |= {"addresses": ("203.0.113.7",), "event_id": f"{number:064x}"}
    return Action(time=at, user=user, kind=kind, **fields | more)


def secrets(number, *, at=SATURDAY, step_s=20, **more):
    return [
        act(
            n,
            at=at + timedelta(seconds=step_s * n),
            kind="secret access",
            action="get",
            target=f"a/secrets/{n}",
            **more,
        )
        for n in range(number)
    ]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("cluster-admin bound", rules.wide_rights),
        ("rights for everybody", rules.wide_rights),
        ("wildcard role", rules.wide_rights),
        ("events deleted", rules.impaired_defences),
        ("webhook deleted", rules.impaired_defences),
    ],
)
def test_a_grave_change_is_an_exception_unless_it_was_denied(kind, rule):
    assert rule(Seen(grave=(act(1, kind=kind),))).rating == "exception"
    assert rule(Seen(grave=(act(1, kind=kind, denied=True),))).rating == "met"
    assert rule(Seen()).rating == "met"


def test_an_exception_names_time_identity_address_cluster_and_events():
    found = rules.wide_rights(
        Seen(grave=(act(7, kind="cluster-admin bound", detail=("cluster-admin", "eve@example.com")),))
    )
    assert sentence(found.text) == (
        "Sat 17 Oct 22:46: eve@example.com from 203.0.113.7 on prod, 1\u00a0binding of cluster-admin. "
        "Bound to eve@example.com."
    )
    assert list(found.events) == [f"{7:064x}"]


@pytest.mark.parametrize(
    ("at", "outside"),
    [
        (SATURDAY, True),
        (MONDAY, False),
        (MONDAY.replace(hour=5, minute=59), True),
        (MONDAY.replace(hour=6), False),
        (MONDAY.replace(hour=20), True),
    ],
)
def test_office_hours_are_half_open(at, outside):
    found = rules.off_hours_newcomers(Seen(actions=(act(at=at),)))
    assert found.rating == ("exception" if outside else "met")


def test_what_is_known_or_denied_is_no_newcomers_exception():
    quiet = (act(is_new=False), act(denied=True))
    assert rules.off_hours_newcomers(Seen(actions=quiet)).rating == "met"
    assert rules.off_hours_newcomers(Seen(actions=(act(),), previous_known=False)) is None


def test_bulk_is_many_different_secrets_within_an_hour():
    assert rules.bulk_secrets(Seen(actions=secrets(10))).rating == "exception"
    assert rules.bulk_secrets(Seen(actions=secrets(9))).rating == "met"
    assert rules.bulk_secrets(Seen(actions=secrets(10, step_s=400))).rating == "met"
    same = [one._replace(target="a/secrets/1") for one in secrets(30)]
    assert rules.bulk_secrets(Seen(actions=same)).rating == "met"


def test_whoever_read_in_bulk_before_is_no_exception_and_without_a_past_it_is_a_review():
    before = replace(Before.none(), bulk_readers=frozenset(["eve@example.com"]))
    assert rules.bulk_secrets(Seen(actions=secrets(12), before=before)).rating == "met"
    others = replace(before, bulk_readers=frozenset(["zoe@example.com"]))
    assert rules.bulk_secrets(Seen(actions=secrets(12), before=others)).rating == "exception"
    assert rules.bulk_secrets(Seen(actions=secrets(12), previous_known=False)).rating == "review"


def test_what_is_compared_with_the_period_before_names_where_that_is_counted():
    marks = Seen.marks | {"bulk_readers": "E8", "privileged_counts": "E9"}
    assert rules.bulk_secrets(Seen(marks=marks)).marks == ("E2", "E8")
    assert rules.burst(Seen(marks=marks)).marks == ("E2", "E9")
    assert rules.bulk_secrets(Seen()).marks == rules.burst(Seen()).marks == ("E2",)


def test_a_person_who_lists_the_secrets_of_all_namespaces_reads_in_bulk():
    wide = act(kind="secret access", action="list", target="secrets")
    assert rules.bulk_secrets(Seen(actions=(wide,))).rating == "exception"
    workload = wide._replace(user="system:serviceaccount:a:b")
    assert rules.bulk_secrets(Seen(actions=(workload,))).rating == "met"


def test_a_burst_is_far_above_the_identitys_own_median_day():
    usual = [act(n, at=MONDAY - timedelta(days=n % 5 + 1)) for n in range(20)]
    assert rules.burst(Seen(actions=(*usual, *(act(at=MONDAY) for _ in range(20))))).rating == "review"
    assert rules.burst(Seen(actions=(*usual, *(act(at=MONDAY) for _ in range(19))))).rating == "met"
    assert rules.burst(Seen(actions=[act(at=MONDAY) for _ in range(50)])).rating == "met"


def test_many_places_are_counted_after_the_first_three():
    acts = [act(n, user=f"u{n}@example.com") for n in range(5)]
    assert sentence(telling.where_when(Actions.of(acts))).endswith("; and 2 actions from 2 other places.")


def body(role="", subjects=(), rule=None):
    content = {"roleRef": {"name": role}, "subjects": [{"name": one} for one in subjects]} if role else {}
    if rule:
        content["rules"] = [rule]
    return json.dumps({"requestObject": content})


def test_grave_changes_are_read_from_the_body_of_the_request(tmp_path, grave_archive):
    archive: Archive = grave_archive
    from kubedossier.reports.asking import _own_queries

    rows = archive.ask(_own_queries()["grave_changes"], period="2026-10").frame.rows(named=True)
    assert [(row["name"], row["kind"]) for row in rows] == [
        ("a", "cluster-admin bound"),
        ("b", "rights for everybody"),
        ("c", "wildcard role"),
        ("f", "events deleted"),
        ("g", "webhook deleted"),
    ]
    assert rows[0]["detail"] == ["cluster-admin", "eve@example.com", "mallory"]


@pytest.fixture
def grave_archive(tmp_path):
    from kubedossier.analytics.ingest.intake import Intake
    from kubedossier.analytics.ingest.row import Record

    wild, tame = {"verbs": ["*"], "resources": ["*"]}, {"verbs": ["get"], "resources": ["*"]}
    cases = [
        ("a", "create", "clusterrolebindings", "eve", body("cluster-admin", ("mallory", "eve@example.com"))),
        ("b", "update", "rolebindings", "eve", body("view", ("system:anonymous",))),
        ("c", "patch", "clusterroles", "eve", body(rule=wild)),
        ("d", "patch", "clusterroles", "eve", body(rule=tame)),
        ("e", "create", "clusterrolebindings", "system:kube-controller-manager", body("cluster-admin")),
        ("f", "delete", "events", "eve", "not json"),
        ("g", "delete", "validatingwebhookconfigurations", "eve", ""),
        ("h", "create", "rolebindings", "eve", body("view", ("bob",))),
        ("i", "get", "clusterrolebindings", "eve", body("cluster-admin")),
    ]
    records = [
        {
            "time": f"2026-10-05T10:0{n}:00.000Z",
            "verb": verb,
            "user": {"username": user},
            "resources": resource,
            "requestURI": f"/apis/x/v1/{resource}/{name}",
            "cluster": "prod",
            "eventBlob": blob,
        }
        for n, (name, verb, resource, user, blob) in enumerate(cases)
    ]
    with Intake(tmp_path / "dossier", kind="import") as intake:
        intake.add(
            [Record(json.dumps(one).encode(), "console-json", "{}", str(n), None) for n, one in enumerate(records)]
        )
        intake.commit({})
    return Archive(tmp_path / "dossier")


def test_a_person_who_reads_secrets_outside_office_hours_is_a_review():
    read = act(kind="secret access", action="get", target="a/secrets/1", is_new=False)
    found = rules.off_hours_secrets(Seen(actions=(read,)))
    assert (found.rating, found.title) == ("review", "1 access to secrets by people outside office hours.")
    for other in (
        read._replace(time=MONDAY),
        read._replace(denied=True),
        read._replace(user="system:serviceaccount:a:b"),
        read._replace(kind="exec"),
    ):
        assert rules.off_hours_secrets(Seen(actions=(other,))).rating == "met"
