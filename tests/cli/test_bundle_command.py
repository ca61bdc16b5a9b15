"""The bundle command: one file, complete or not there, the same in every process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from kubedossier.cli import cli


@pytest.fixture
def dossier(tmp_path, monkeypatch):
    """An archive of twenty events, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    events = [{"time": f"2026-10-{n + 1:02d}T00:00:00Z", "verb": "get", "cluster": f"c/{n}"} for n in range(20)]
    (tmp_path / "events.json").write_text(json.dumps(events))
    assert run("import", "events.json").returncode == 0
    return tmp_path / "dossier"


def run(*arguments, **environment):
    command = [sys.executable, "-m", "kubedossier", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def test_two_processes_in_other_surroundings_write_the_same_bytes(dossier, tmp_path):
    one = run("bundle", "2026-10", "-o", "one.zip", TZ="UTC", PYTHONHASHSEED="1", LC_ALL="C")
    other = run("bundle", "2026-10", "-o", "other.zip", TZ="Asia/Tokyo", PYTHONHASHSEED="2", LC_ALL="C.UTF-8")
    assert one.returncode == other.returncode == 0, one.stderr + other.stderr
    assert one.stdout.split() == [hashlib.sha256((tmp_path / "one.zip").read_bytes()).hexdigest(), "one.zip"]
    assert one.stdout.split()[0] == other.stdout.split()[0]
    check = run("verify", "one.zip")
    assert check.returncode == 0
    assert "20 events of 2026-10 are as the bundle says" in check.stdout


def test_the_file_is_named_after_the_month_and_the_bundles_id(dossier, tmp_path):
    result = CliRunner().invoke(cli, ["bundle", "2026-10"], catch_exceptions=False)
    assert result.exit_code == 0
    (path,) = tmp_path.glob("*.zip")
    assert path.name.startswith("kubedossier-2026-10-")
    assert result.stdout.split() == [hashlib.sha256(path.read_bytes()).hexdigest(), path.name]


def test_a_refused_bundle_leaves_no_file_and_says_why(dossier, tmp_path):
    path = next(dossier.glob("events/*/*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    before = sorted(tmp_path.iterdir())
    done = run("bundle", "2026-10")
    assert done.returncode == 5
    assert "file-size" in done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert done.stdout == ""


def test_a_failure_half_way_leaves_no_file(dossier, tmp_path, monkeypatch):
    from kubedossier.analytics.evidence import bundle

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "write_zip", broken)
    before = sorted(tmp_path.iterdir())
    result = CliRunner().invoke(cli, ["bundle", "2026-10"])
    assert "No space left" in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before


def test_an_altered_bundle_is_told_with_exit_code_5(dossier, tmp_path):
    run("bundle", "2026-10", "-o", "one.zip")
    path = tmp_path / "one.zip"
    path.write_bytes(
        path.read_bytes().replace(b'"verb":"get"', b'"verb":"GET"', 1).replace(b'"verb": "get"', b'"verb": "GET"', 1)
    )
    done = run("verify", "one.zip")
    assert done.returncode == 5
    assert "file-changed  data/events.ndjson" in done.stdout


def test_options_for_archives_are_refused_for_a_bundle(dossier):
    run("bundle", "2026-10", "-o", "one.zip")
    for option in ("--quick", "--deep", "--accept-rollback"):
        assert run("verify", option, "one.zip").returncode == 2


def test_a_month_without_events_is_told(dossier):
    done = run("bundle", "2024-01")
    assert done.returncode == 0
    assert "no events of January 2024" in done.stderr


@pytest.mark.parametrize("text", ["2026", "30d", "2026-13", "october"])
def test_what_is_no_month_is_refused(dossier, text):
    assert run("bundle", text).returncode == 2
