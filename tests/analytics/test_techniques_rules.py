"""The table of technique rules, and what a verdict says beside the technique."""

from __future__ import annotations

import pytest

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.paths import ApiPath
from kubedossier.analytics.ingest.techniques import _PUBLIC, is_system, judge
from kubedossier.analytics.technique_rules import rule_book

BOOK = rule_book()
EXEC = ApiPath("core", "v1", "shop", "pods", "till-1", "exec")
POD = ApiPath("core", "v1", "shop", "pods", "till-1")


def verdict(
    action="get", path=EXEC, user="ann", *, groups=None, uri="/x?command=id", decision="allow", code=200, body=None
):
    return judge(action, path, user, groups, None, None, uri, decision, code, body)


def test_every_value_of_the_api_is_shown_by_a_rule_or_said_not_to_be():
    by_rule = {value for rule in BOOK.rules for value in rule.techniques}
    others = [*BOOK.no_fitting_rule, *BOOK.not_visible]
    assert by_rule | set(others) == set(vocabulary.techniques())
    assert len(by_rule) + len(others) == len(vocabulary.techniques())


def test_rules_have_names_of_their_own_and_say_where_they_come_from():
    assert len({rule.id for rule in BOOK.rules}) == len(BOOK.rules)
    for rule in BOOK.rules:
        assert rule.title, rule
        assert rule.source, rule
        assert rule.aggregate or bool(rule.on) != bool(rule.when), rule
        assert rule.actors in ("non-system", "person", "any"), rule
        assert rule.body in ("", "privileged", "host-path"), rule
        assert rule.when in ("", "anonymous", "impersonation"), rule
        assert rule.paths in ("", "quiet"), rule


def test_what_takes_many_events_and_what_is_weak_tags_no_row():
    off = {rule.id for rule in BOOK.rules if not rule.enabled}
    assert off == {"pod-in-system-namespace", "job"}
    in_system = POD._replace(namespace="kube-system")
    assert verdict("create", in_system, body={"spec": {}}).techniques == ("createContainer",)
    assert verdict("update", ApiPath("batch", "v1", "shop", "jobs", "x"), body={}).techniques is None
    assert [rule.id for rule in BOOK.rules if rule.aggregate] == ["scanning"]
    assert verdict("list", POD, None, groups=["system:unauthenticated"], decision="forbid", code=403).techniques is None


@pytest.mark.parametrize(
    ("decision", "code", "attempt"),
    [
        ("allow", 200, False),
        ("allow", 101, False),
        ("allow", 399, False),
        (None, 201, False),
        ("allow", 404, True),
        ("forbid", 403, True),
        ("forbid", 200, True),
        ("allow", None, True),
        (None, None, True),
    ],
)
def test_only_what_was_allowed_and_went_well_is_done(decision, code, attempt):
    found = verdict(decision=decision, code=code)
    assert found.techniques == ("execIntoContainer",)
    assert ("technique_attempt" in found.flags) is attempt


@pytest.mark.parametrize(("decision", "code", "counts"), [("allow", 404, True), (None, 200, True), (None, 403, False)])
def test_nobody_counts_only_where_the_request_was_allowed(decision, code, counts):
    found = verdict("list", POD, "system:anonymous", decision=decision, code=code)
    assert (found.techniques is not None) is counts


def test_the_first_rule_that_holds_gives_the_message():
    assert verdict(uri="/x?command=cat&command=/etc/shadow").title == "Command run in a container"
    everywhere = ApiPath("core", "v1", None, "secrets")
    assert verdict("list", everywhere).title == "Secrets of all namespaces listed"
    assert verdict("list", everywhere._replace(namespace="shop")).title == "Secret read"
    assert verdict("list", POD).title is None


@pytest.mark.parametrize(
    ("user", "system"),
    [
        ("system:kube-scheduler", True),
        ("system:node:n", True),
        ("system:apiserver", True),
        ("system:serviceaccount:kube-system:x", True),
        ("eks:node-manager", True),
        ("aksService", True),
        ("masterclient", False),
        ("system:admin", False),
        ("system:serviceaccount:shop:x", False),
        ("system:anonymous", False),
        ("system:apiserver2", False),
        (None, False),
    ],
)
def test_components_of_the_cluster_are_told_from_people(user, system):
    assert is_system(user) is system
    assert (verdict(user=user, decision="forbid", code=403).techniques is None) is system


@pytest.mark.parametrize("body", [None, "skipped-too-big-size-object", b"", b"null", b'"text"', b"{oops", 5])
def test_a_body_that_was_not_logged_is_never_a_no(body):
    assert verdict("create", POD, body=body).flags == ("technique_unknown",)
    patched = verdict("patch", POD, body=body)
    assert (patched.techniques, patched.flags) == (None, ("technique_unknown",))


def test_a_body_that_was_logged_is_a_yes_or_a_no():
    assert verdict("patch", POD, body=b'{"metadata":{}}') == (None, (), None)
    assert verdict("patch", POD, body=b'{"spec":{"hostPID":true}}').techniques == ("privilegedContainer",)


def test_bodies_stay_unread_where_no_rule_needs_them():
    class Untouchable:
        """Any look at it fails."""

        def __getattribute__(self, name):
            raise AssertionError(name)

    body = Untouchable()
    assert verdict("get", POD, body=body).techniques is None
    assert verdict("create", ApiPath("core", "v1", "shop", "serviceaccounts"), body=body).techniques == (
        "createAccount",
    )
    assert verdict("create", POD, "system:kube-scheduler", body=body).techniques is None


@pytest.mark.parametrize(
    ("path", "public"),
    [("/", True), ("/livez/ping", True), ("/version/", True), ("/api", True), ("/api/v1", True), ("/apis/", True),
     ("/apis/apps/v1", True), ("/swagger-2.0.0.pb-v1", True), ("/.well-known/openid-configuration", True),
     ("/apis/apps/v1/deployments", False), ("/api/v1/pods", False), ("/logs/", False), ("/versions", False),
     ("/debug/pprof", False)],
)  # fmt: skip
def test_public_paths_are_health_version_and_discovery(path, public):
    assert (_PUBLIC.fullmatch(path) is not None) is public


@pytest.mark.parametrize(
    "word", ["curl ", "tar -", "tar c ", "curl a.b.", "tar -C x c", "- ", "1.1.1.", "; curl ", "tar cf a "]
)
def test_long_commands_are_judged_in_bounded_steps(word):
    """Each pattern looks at a bounded stretch: a crafted command must not hold up an import."""
    uri = "/x?command=" + (word * 4000).replace(" ", "+")
    assert "execIntoContainer" in verdict(uri=uri).techniques
