"""The locked packages: complete, verified by hash, and from nowhere in particular."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-notebook.txt")


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_machine(checkout, lock):
    text = (checkout / lock).read_text("utf-8")
    assert not re.search(r"https?:|file:|--index-url|--extra-index-url|--find-links|(^| )/", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_hashes(checkout, lock):
    text = (checkout / lock).read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.split("\n", 2)[2])
    names = {
        re.split(r"[ ;]", entry, maxsplit=1)[0] for entry in entries
    }  # one package may stand twice, for two Pythons
    assert len(names) == len(entries)
    assert {canonicalize_name(name.split("==")[0]) for name in names} == pins(text).keys()
    assert len(entries) > 20
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_locks_satisfy_what_the_project_asks_for(checkout):
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))
    run, dev, notebook = (pins((checkout / lock).read_text("utf-8")) for lock in LOCKS)
    wanted = [Requirement(each) for each in project["project"]["dependencies"]]
    for_tests = [Requirement(each) for each in project["dependency-groups"]["dev"] if isinstance(each, str)]
    extra = [Requirement(each) for each in project["project"]["optional-dependencies"]["notebook"]]
    for lock, asked in ((run, wanted), (dev, wanted + for_tests), (notebook, wanted + extra)):
        missing = [str(each) for each in asked if lock.get(canonicalize_name(each.name)) not in each.specifier]
        assert missing == [], "run `make lock`"


def test_what_runs_what_tests_and_what_notebooks_use_are_the_same_versions(checkout):
    run, dev, notebook = (pins((checkout / lock).read_text("utf-8")) for lock in LOCKS)
    assert {name: dev.get(name) for name in run} == run
    assert {name: notebook.get(name) for name in run} == run
    assert {name: dev[name] for name in notebook.keys() & dev.keys()} == {
        name: notebook[name] for name in notebook.keys() & dev.keys()
    }
