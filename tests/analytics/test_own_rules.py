"""Rules of the user's own: what may be written, and what events then say."""

from __future__ import annotations

import pytest

from kubedossier.analytics.config import read_config
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.ingest.derivation import Derivation
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.techniques import put_in_force, rules_version
from kubedossier.analytics.own_rules import OwnRule, OwnRules, amended
from kubedossier.analytics.technique_rules import rule_book

COMPLETE = """\
[techniques]
off = ["own-rights"]
on = ["job"]

[[techniques.rule]]
id = "vault"
title = "Vault entered"
techniques = ["credentialDumping"]
on = ["pods/exec"]
verbs = ["get", "create"]
namespaces = ["vault"]
command = 'vault\\s+kv'
"""


@pytest.fixture(autouse=True)
def _rules_of_the_release_afterwards():
    yield
    put_in_force(OwnRules())


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> OwnRules:
        path = tmp_path / "kubedossier.toml"
        path.write_text(text, encoding="utf-8")
        return read_config(path).techniques

    return write


def exec_of(command: str, namespace: str = "vault", user: str = "ann") -> Record:
    raw = (
        f'{{"auditID":"a","stage":"ResponseStarted","verb":"get","user":{{"username":"{user}"}},'
        f'"requestURI":"/api/v1/namespaces/{namespace}/pods/p/exec?command={command.replace(" ", "+")}",'
        f'"objectRef":{{"resource":"pods","subresource":"exec","namespace":"{namespace}","name":"p"}},'
        '"responseStatus":{"code":101},"annotations":{"authorization.k8s.io/decision":"allow"}}'
    )
    return Record(raw.encode())


def judged(*records: Record, workers: int = 0) -> list[tuple[list[str] | None, str, str | None]]:
    derivation = Derivation(workers)
    try:
        found = [*derivation.give(list(records)), *derivation.rest()]
    finally:
        derivation.close()
    columns = ("techniques_derived", "rules_version", "message")
    return [tuple(row[name] for name in columns) for one in found for row in one.batch.to_pylist()]


def test_all_that_may_be_written_is_read(written):
    own = written(COMPLETE)
    assert (own.off, own.on) == (("own-rights",), ("job",))
    assert own.rule == (
        OwnRule(
            "vault", "Vault entered", ("credentialDumping",), ("pods/exec",), ("get", "create"),
            namespaces=("vault",), command=r"vault\s+kv",
        ),
    )  # fmt: skip


def test_a_rule_of_ones_own_tags_and_its_title_comes_first(written):
    put_in_force(written(COMPLETE))
    [(techniques, version, message)] = judged(exec_of("vault kv get"))
    assert (techniques, message) == (["credentialDumping", "execIntoContainer"], "Vault entered")
    assert version == rules_version() != rule_book().version
    assert judged(exec_of("vault kv get", "shop"))[0][0] == ["execIntoContainer"]
    assert judged(exec_of("id"))[0][0] == ["execIntoContainer"]
    assert judged(exec_of("vault kv get", user="system:kube-scheduler"))[0][0] is None


def test_a_rule_that_is_off_tags_nothing():
    put_in_force(OwnRules(off=("exec",)))
    assert judged(exec_of("id"))[0][0] is None


def test_workers_judge_by_the_same_rules(monkeypatch):
    from kubedossier.analytics.ingest import derivation

    monkeypatch.setattr(derivation, "PARALLEL_AFTER_BYTES", 0)
    put_in_force(OwnRules(off=("exec",)))
    assert judged(exec_of("id"), workers=1) == [(None, rules_version(), None)]


def test_the_version_is_that_of_the_rules_and_not_of_how_they_are_written(written):
    release = rule_book().version
    assert amended(OwnRules()).version == release
    version = amended(written(COMPLETE)).version
    assert version.startswith(f"{release}+")
    assert len(version) == len(release) + 13
    spaced = COMPLETE.replace("[techniques]\n", "[techniques] # ours\n\n").replace('verbs = ["get"', 'verbs=[ "get"')
    assert amended(written(spaced)).version == version
    assert amended(written(COMPLETE.replace("kv", "list"))).version != version
    assert amended(OwnRules(off=("exec", "job"))).version == amended(OwnRules(off=("job", "exec"))).version


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ('off = ["own-rights"]', 'off = ["own-right"]', 2, "Did you mean 'own-rights'?"),
        ('on = ["job"]', 'on = ["own-rights"]', 3, "so does 'off'"),
        ('on = ["job"]', 'on = ["scanning"]', 3, "takes many events"),
        ('id = "vault"', 'id = "exec"', 6, "another rule"),
        ('id = "vault"', 'id = "v a"', 6, "letters"),
        ("credentialDumping", "credentialDump", 8, "Did you mean 'credentialDumping'?"),
        ('["get", "create"]', '["got"]', 10, "Did you mean 'get'?"),
        ('["get", "create"]', "[]", 10, "never hold"),
        ('["pods/exec"]', '["/api/v1/pods"]', 9, "resources such as"),
        ('["pods/exec"]', '["pods"]', 12, "command of an exec"),
        (r"'vault\s+kv'", "'('", 12, "no pattern"),
        ('namespaces = ["vault"]', 'all_namespaces = "yes"', 11, "true or false"),
        ('namespaces = ["vault"]', 'namespace = "vault"', 11, "Did you mean 'namespaces'?"),
        ('namespaces = ["vault"]', 'actors = "people"', 11, "not 'people'"),
        ('title = "Vault entered"\n', "", 5, "has no 'title'"),
    ],
)
def test_a_mistake_names_its_line_and_what_to_write(written, before, after, line, said):
    text = COMPLETE.replace(before, after, 1) if not before.startswith("on =") else COMPLETE.replace(before, after)
    with pytest.raises(UsageError) as caught:
        written(text)
    assert f"line {line}:" in str(caught.value)
    assert said in f"{caught.value} {caught.value.hint}"
