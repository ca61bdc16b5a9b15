"""The demonstration: the whole way works, twice, and nobody's own archive is touched."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kubedossier.analytics.archive import Archive

pytestmark = pytest.mark.xdist_group("demo")


def call(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    home = {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config"), "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", "kubedossier", *arguments],
        cwd=folder,
        env=os.environ | home | environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(folder) -> subprocess.CompletedProcess[str]:
    """One run, in an environment full of settings that must not matter."""
    (folder / "kubedossier.toml").write_text('archive = "elsewhere"\n')
    return call(
        "demo",
        folder=folder,
        KUBEDOSSIER_TOKEN="not for the demo",
        KUBEDOSSIER_SNAPSHOT_CLUSTER="none",
        HTTPS_PROXY="http://192.0.2.1:9",
    )


def month_of(done: subprocess.CompletedProcess[str]) -> str:
    """The month a run was about: the last one when it began, which may have been before midnight."""
    return re.search(r"report monthly --period (\d{4}-\d\d)", done.stdout)[1]


def test_it_goes_the_whole_way_and_ends_well_though_some_records_are_bad(first, folder):
    assert first.returncode == 0, first.stderr
    assert "5 records could not be read" in first.stdout
    assert "Done in" in first.stdout
    made = [path.name for path in sorted((folder / "dossier" / "reports").rglob("*.*"))]
    month = month_of(first)
    assert made == [f"bundle-{month}.zip", f"monthly-{month}.html", f"monthly-{month}.pdf"]


def test_what_it_prints_fits_eighty_columns_but_for_hashes(first):
    wide = [line for line in first.stdout.splitlines() if len(line) > 80 and not re.search("[0-9a-f]{64}", line)]
    assert wide == []


def test_the_archive_holds_the_months_and_the_incident(first, folder):
    archive = Archive(folder / "dossier")
    top = archive.query("top_users", period=month_of(first), limit=1000)
    assert top["events"].sum() > 5_000
    assert "r.voss.ext@example.com" in top["user"].to_list()
    known = archive.sql("select count(*) as n from collected")
    assert known["n"].item() >= 1


def test_it_left_the_configured_archive_alone(first, folder):
    assert not (folder / "elsewhere").exists()


def test_everything_it_says_to_try_next_works(first, folder):
    lines = first.stdout.split("Try next:\n")[1].replace("\\\n", " ").splitlines()
    words = [shlex.split(line) for line in lines if line.strip()]
    assert len(words) > 4
    for each in words:
        assert each[:3] == ["python", "-m", "kubedossier"]
        if each[-1] == "serve":
            continue
        done = call(*each[3:], folder=folder)
        assert done.returncode == 0, (each, done.stderr)
        assert done.stdout


def test_a_second_run_adds_no_event(first, folder):
    def count() -> int:
        return Archive(folder / "dossier").sql("select count(*) as n from records")["n"].item()

    before = count()
    again = call("demo", folder=folder)
    assert again.returncode == 0, again.stderr
    if month_of(again) != month_of(first):
        pytest.skip("a month ended between the two runs")
    assert " 0 new," in again.stdout
    assert "was imported the last time" in again.stdout
    assert count() == before


def test_a_folder_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "dossier").mkdir()
    (tmp_path / "dossier" / "letter.txt").write_text("mine")
    done = call("demo", folder=tmp_path)
    assert done.returncode == 2
    assert "no archive" in done.stderr
    assert [path.name for path in (tmp_path / "dossier").iterdir()] == ["letter.txt"]


def test_an_archive_that_somebody_else_wrote_to_is_refused(tmp_path, checkout):
    events = checkout / ".ci" / "smoke.ndjson"
    assert call("--archive", "mine", "import", str(events), folder=tmp_path).returncode == 0
    before = sorted((tmp_path / "mine").rglob("*"))
    done = call("demo", "mine", folder=tmp_path)
    assert done.returncode == 2
    assert "not only the demo" in done.stderr
    assert sorted((tmp_path / "mine").rglob("*")) == before
