"""The rules of the house cover every room in it."""

from __future__ import annotations

import re
import tomllib

import pytest


@pytest.fixture(scope="module")
def project(checkout):
    return tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))


def test_every_room_has_its_floor(checkout, project):
    (floors,) = (each for each in project["tool"]["importlinter"]["contracts"] if each["name"] == "floors")
    named = set(re.findall(r"[\w.]+", " ".join(floors["layers"])))
    rooms = {
        f"kubedossier.analytics.{path.stem}"
        for path in (checkout / "analytics").iterdir()
        if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or path.is_dir())
    }
    assert rooms - named == set()


def test_every_source_file_says_why_it_exists(checkout):
    silent = [
        str(path.relative_to(checkout))
        for folder in ("analytics", "reports", "src/kubedossier/cli", "tests")
        for path in (checkout / folder).rglob("*.py")
        if path.read_text("utf-8").strip() and not path.read_text("utf-8").startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_the_makefile_explains_every_target(checkout):
    text = (checkout / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))
