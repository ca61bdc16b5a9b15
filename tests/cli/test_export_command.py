"""``kubedossier export``: data on stdout or in a whole file, narration on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hard_archive import fill

from kubedossier.analytics.errors import UsageError
from kubedossier.cli import cli


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return fill(tmp_path_factory.mktemp("export") / "dossier")


@pytest.fixture
def export(root: Path):
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--archive", str(root), "export", *arguments], catch_exceptions=False)

    return run


def test_a_layer_is_json_on_stdout(export):
    result = export("navigator", "--period", "2026-10")
    made = json.loads(result.stdout)
    assert result.stderr == f"{len(made['techniques'])} techniques.\n"
    assert made["name"] == "Kubernetes audit events, October 2026"


def test_ocsf_is_one_object_a_line_and_narrowed_as_questions_are(export):
    result = export("ocsf", "--period", "2026-10", "--user", "carol")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {one["actor"]["user"]["name"] for one in lines} == {"carol"}
    assert result.stderr == f"{len(lines)} events.\n"
    assert len(lines) == 5


@pytest.mark.parametrize("kind", ["navigator", "ocsf", "duckdb"])
def test_a_file_holds_what_stdout_would_and_no_half_of_it_appears(export, tmp_path, kind):
    target = tmp_path / "out"
    result = export(kind, "-o", str(target))
    assert result.stdout == ""
    assert target.read_text("utf-8") == export(kind).stdout
    assert list(tmp_path.iterdir()) == [target]


def test_a_wrong_period_is_said_and_leaves_no_file(export, tmp_path):
    with pytest.raises(UsageError, match="not a period"):
        export("ocsf", "--period", "soon", "-o", str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []
