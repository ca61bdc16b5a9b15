"""Privileged actions are filtered, counted and cited column by column: each alone gives the same."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median

import polars as pl
import pytest

from kubedossier.analytics.thresholds import BulkSecrets, Burst, OfficeHours
from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports import access_tables
from kubedossier.reports.actions import Action, Actions
from kubedossier.reports.before import Before
from kubedossier.reports.event_ids import EventIds
from kubedossier.reports.frequency import bulk_reads, bursts
from kubedossier.reports.judgements import Finding
from kubedossier.reports.telling import where_when, who_when
from kubedossier.reports.text import sentence

USERS = [None, "", "anna@example.com", "eve@example.com", "system:node:a", "system:serviceaccount:a:b"]
KINDS = ["secret access", "secret access", "exec", "rbac change"]
TARGETS = ["secrets", *(f"a/secrets/{number}" for number in range(6))]
START = datetime(2026, 10, 1, tzinfo=UTC)


def some(seed: int, number: int, days: float = 10) -> list[Action]:
    chance = random.Random(seed)
    times = sorted(START + timedelta(seconds=chance.randrange(int(days * 86_400))) for _ in range(number))
    return [
        Action(
            time=time,
            user=chance.choice(USERS),
            kind=chance.choice(KINDS),
            cluster=chance.choice([None, "prod", "test"]),
            denied=chance.random() < 0.2,
            is_new=chance.random() < 0.3,
            action=chance.choice(["get", "list"]),
            target=chance.choice(TARGETS),
            detail=chance.choice([(), ("cluster-admin", "eve")]),
            addresses=chance.choice([(), ("10.0.0.1",), ("10.0.0.1", "203.0.113.7")]),
            event_id=f"{chance.getrandbits(256):064x}",
        )
        for time in times
    ]


def in_bulk_alone(acts: list[Action], limits: BulkSecrets) -> set[str]:
    """Every read beside which, within the time, so many others by the same identity are of different secrets."""
    reads = [one for one in acts if one.kind == "secret access" and not one.denied]
    within, found = timedelta(minutes=limits.within_minutes), set()
    for end in reads:
        ours = [one for one in reads if (one.user or "") == (end.user or "")]
        stretch = [one for one in ours if end.time - within < one.time <= end.time]
        if len({(one.cluster, one.target) for one in stretch}) >= limits.secrets:
            found |= {one.event_id for one in stretch}
        if user_kind(end.user) == "human" and (end.action, end.target) == ("list", "secrets"):
            found.add(end.event_id)
    return found


def in_bursts_alone(acts: list[Action], before: list[Action], limits: Burst) -> set[str]:
    days = Counter((one.user or "", one.time.date()) for one in (*acts, *before))
    usual: dict[str, list[int]] = {}
    for (user, _), number in days.items():
        usual.setdefault(user, []).append(number)

    def is_high(one: Action) -> bool:
        number, own = days[one.user or "", one.time.date()], usual[one.user or ""]
        return number >= limits.at_least and len(own) > 1 and number >= limits.factor * median(own)

    return {one.event_id for one in acts if is_high(one)}


def days_of(acts: list[Action]) -> pl.DataFrame:
    days = Counter((one.user, one.time.date()) for one in acts)
    rows = [(None, user, day, number) for (user, day), number in days.items()]
    schema = {"kind": pl.String, "user": pl.String, "date": pl.Date, "actions": pl.Int64}
    counts = pl.DataFrame(rows, schema=schema, orient="row")
    return Before.of(counts, pl.DataFrame({"user": [], "secrets": [], "lists": []}), 1).days


@pytest.mark.parametrize("number", [0, 1, 400])
def test_what_is_put_in_comes_out(number):
    acts = some(number, number)
    assert list(Actions.of(acts)) == acts
    assert tuple(Actions.of(acts).events()) == tuple(sorted(one.event_id for one in acts))
    assert Actions.of(acts).users() == Counter(one.user or "" for one in acts)


@pytest.mark.parametrize("seed", range(3))
def test_parts_that_are_joined_are_the_whole(seed):
    acts = some(seed, 300)
    parts = [Actions.of(acts[:100]), Actions.of([]), Actions.of(acts[100:])]
    whole = Actions.joined(parts)
    assert list(whole) == acts
    assert whole.are_of(Actions.of(acts[::7]).events()).arg_true().to_list() == list(range(0, 300, 7))
    assert not whole.are_of(EventIds()).any()
    assert list(whole.of_newcomers()) == [one for one in acts if one.is_new and not one.denied]
    assert list(whole.without({"eve@example.com", ""})) == [
        one for one in acts if one.user and one.user != "eve@example.com"
    ]
    assert list(whole.of_kind(("exec",)).by(("human",))) == [
        one for one in acts if one.kind == "exec" and not one.denied and user_kind(one.user) == "human"
    ]


@pytest.mark.parametrize(
    "hours", [OfficeHours(), OfficeHours(opens="07:13", closes="19:47", timezone="Asia/Kolkata", days=("Sat", "Mon"))]
)
def test_office_hours_are_the_same_for_all_at_once(hours):
    acts = some(5, 500, days=40)
    assert list(Actions.of(acts).outside(hours)) == [one for one in acts if hours.excludes(one.time)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limits", [BulkSecrets(secrets=2, within_minutes=30), BulkSecrets(5, 240), BulkSecrets(8, 60)])
def test_reads_in_bulk_are_those_that_each_window_alone_finds(seed, limits):
    acts = some(seed, 300, days=3)
    found = bulk_reads(Actions.of(acts), limits)
    assert set(found.events()) == in_bulk_alone(acts, limits)
    assert list(found) == sorted(found, key=acts.index)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limits", [Burst(factor=1.2, at_least=5), Burst(factor=2, at_least=1), Burst()])
def test_bursts_are_those_that_each_day_alone_finds(seed, limits):
    acts, before = some(seed, 300), [one._replace(time=one.time - timedelta(days=20)) for one in some(seed + 9, 100)]
    found, number = bursts(Actions.of(acts), days_of(before), limits)
    assert set(found.events()) == in_bursts_alone(acts, before, limits)
    assert number == len({(one.user or "", one.time.date()) for one in found})


def test_the_first_places_are_those_with_the_most_actions_then_the_earliest():
    acts = some(2, 300)
    ranked: dict[tuple[object, ...], list[Action]] = {}
    for one in acts:
        ranked.setdefault((one.user or "", one.addresses, one.cluster or ""), []).append(one)
    order = sorted(ranked, key=lambda key: (-len(ranked[key]), ranked[key][0].time, key))
    places, number = Actions.of(acts).places(3)
    assert [(one.user, one.addresses, one.cluster) for one in places] == order[:3]
    assert number == len(ranked)
    for one, key in zip(places, order, strict=False):
        assert (one.number, one.kinds) == (len(ranked[key]), Counter(act.kind for act in ranked[key]))
        assert (one.first, one.last) == (ranked[key][0].time, ranked[key][-1].time)


def test_nothing_is_told_of_no_action():
    assert who_when(Actions.of([])) == where_when(Actions.of([])) == ()


def test_users_are_told_with_their_numbers_most_first():
    acts = [
        Action(START + timedelta(days=n % 3), f"u{n % 5}", "exec", None, False, False, event_id="00" * 32)
        for n in range(11)
    ]
    assert sentence(who_when(Actions.of(acts))) == "By u0 (3), u1 (2), u2 (2) and 2 others, from 1 Oct to 3 Oct."


def test_of_the_rows_of_an_answer_nothing_else_is_held():
    rows = pl.DataFrame(
        {
            "time": [START],
            "user": ["eve"],
            "kind": ["exec"],
            "action": ["create"],
            "resource": ["pods"],
            "subresource": ["exec"],
            "namespace": [""],
            "name": [None],
            "cluster": [None],
            "decision": ["forbid"],
            "status_code": [403],
            "source_ips": [None],
            "event_id": ["00" * 32],
        },
        schema_overrides={"name": pl.String, "cluster": pl.String, "source_ips": pl.List(pl.String)},
    )
    found = Actions.from_rows(rows)
    assert list(found) == [
        Action(START, "eve", "exec", None, True, False, "create", "pods/exec", (), (), "00" * 32),
    ]


def test_event_ids_are_a_sorted_sequence_of_texts():
    acts = some(5, 40)
    ids, texts = Actions.of([*acts, acts[3]]).events(), sorted(one.event_id for one in acts)
    assert list(ids) == [*ids] == texts
    assert (len(ids), ids[0], ids[-1], ids[1:3]) == (40, texts[0], texts[-1], texts[1:3])
    assert texts[7] in ids
    assert "00" * 32 not in ids
    with pytest.raises(IndexError):
        ids[40]
    assert EventIds.joined([Actions.of(acts[:30]).events(), Actions.of(acts[20:]).events()]) == ids
    assert EventIds.joined([]) == EventIds()


def cites(rule: str, rating: str, acts: list[Action]) -> Finding:
    words = dict.fromkeys(("title", "statement", "method", "section"), "")
    events = Actions.of(acts).events()
    return Finding(rule=rule, rating=rating, text=(), support="not evidenced", marks=(), events=events, **words)


def cited_alone(acts: list[Action], rules: dict[str, str]) -> list[list[Action]]:
    """The runs of alike actions in the order of time, found one by one."""
    runs: list[list[Action]] = []
    for one in sorted((one for one in acts if one.event_id in rules), key=lambda one: (one.time, one.event_id)):
        before = runs[-1][-1] if runs else None
        same = ("user", "addresses", "cluster", "kind", "action", "denied")
        if (
            before
            and all(getattr(one, name) == getattr(before, name) for name in same)
            and (rules[one.event_id] == rules[before.event_id])
        ):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


@pytest.mark.parametrize("seed", range(4))
def test_what_exceptions_cite_is_told_in_runs_of_alike_actions(seed):
    chance = random.Random(seed)
    several = [
        one._replace(user="a", cluster=chance.choice("pq"), kind="exec", denied=False) for one in some(seed, 200)
    ]
    acts = [one._replace(action="get", addresses=(), detail=()) for one in several]
    again = [one._replace(kind="rbac change", detail=("admin", "eve")) for one in acts[::9]]
    findings = [
        cites("first", "exception", acts[:120]),
        cites("second", "exception", acts[100:160:2]),
        cites("third", "review", acts[150:]),
    ]
    rules: dict[str, str] = {}
    for finding in findings[:2]:
        for event in finding.events:
            rules[event] = f"{rules[event]}, {finding.rule}" if event in rules else finding.rule
    last = {one.event_id: one for one in (*acts, *again)}
    runs = cited_alone(list(last.values()), rules)
    table = access_tables.cited((Actions.of(acts), Actions.of(again)), findings, mark="E1")
    assert table.total == len(runs) > access_tables.CITED_SHOWN
    assert f"{len(rules)} actions" in table.note
    for row, run in zip(table.rows, runs, strict=False):
        assert row[3].text == rules[run[0].event_id]
        assert row[4].raw == run[0].event_id[:12]
        assert row[4].lines == ((f"and {len(run) - 1} more",) if len(run) > 1 else ())
        assert ("binds admin to eve" in row[2].lines) is bool(run[0].detail)
    assert len(table.rows) == access_tables.CITED_SHOWN
    assert access_tables.cited((Actions.of(acts),), findings[2:], mark="E1") is None


@pytest.mark.parametrize("number", [0, 1, 2, 40])
def test_event_ids_are_the_items_of_a_json_array_whatever_is_written_at_once(number, monkeypatch):
    monkeypatch.setattr("kubedossier.reports.event_ids._AT_ONCE", 3)
    ids = Actions.of(some(5, number)).events()
    assert f"[{''.join(ids.as_items())}]" == json.dumps(list(ids), separators=(",", ":"))
