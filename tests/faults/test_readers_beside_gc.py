"""Readers beside ``compact`` and ``gc``: what is deleted while they read is no damage, no crash and no half a file."""

from __future__ import annotations

import os
import random
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from faultkit.nursery import Nursery
from faultkit.workload import write_input

from kubedossier.analytics import engine
from kubedossier.analytics.ingest.importer import import_files
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.retention import collect_garbage
from kubedossier.analytics.store.verify import verify
from kubedossier.cli import cli
from kubedossier.cli.diagnostics import run

READERS = {
    "query": ("query", "top_users", "-f", "csv", "--limit", "0"),
    "sql": ("query", "--sql", "select raw from records order by 1", "-f", "csv"),
    "ocsf": ("export", "ocsf", "-o", "made/events.ndjson"),
    "navigator": ("export", "navigator", "-o", "made/layer.json"),
    "duckdb": ("export", "duckdb", "-o", "made/dossier.sql"),
    "report": ("report", "--period", "2024-09", "-f", "json", "-o", "made/report.json"),
    "bundle": ("bundle", "2024-09", "-o", "made/bundle.zip"),
    "deep": ("verify", "--deep"),
    "verify": ("verify",),
    "status": ("status",),
    "doctor": ("doctor",),
}


class Steps:
    """Does something at the n-th look at the disk of what it runs, once."""

    LOOKS = ((os, "open"), (Path, "stat"), (Path, "open"), (pq, "ParquetFile"), (engine, "_at_most"))

    def __init__(self, monkeypatch):
        self.calls, self.at, self.do, self.counts = 0, 0, None, False
        for owner, name in self.LOOKS:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, below):
        def look(*arguments, **more):
            if self.counts and threading.current_thread() is threading.main_thread():
                self.calls += 1
                if self.calls == self.at:
                    self.counts = False
                    self.do()
            return below(*arguments, **more)

        return look

    def run(self, what, *, at, do):
        self.calls, self.at, self.do, self.counts = 0, at, do, True
        try:
            return what()
        finally:
            self.counts = False


@pytest.fixture
def kubedossier(archive_path, monkeypatch, capsys):
    """Run the command line on an archive; gives exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["kubedossier", "--archive", str(archive_path), *map(str, arguments)])
        code = run(cli)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def fill(tmp_path, archive_path):
    """Adds files that wait to be merged, and such as wait for gc."""
    numbers = iter(range(0, 10_000, 10))

    def add(times=2):
        for _ in range(times):
            first = next(numbers)
            write_input(tmp_path / "more.ndjson", first, first + 10)
            list(import_files(archive_path, [str(tmp_path / "more.ndjson")]))

    add()
    return add


@pytest.mark.parametrize("name", READERS)
def test_files_that_are_deleted_at_any_step_of_a_reader_are_no_damage(
    kubedossier, archive_path, tmp_path, monkeypatch, fill, sample, name
):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "made"
    out.mkdir()

    def merged():
        assert list(compact(archive_path, datetime(2027, 1, 1, tzinfo=UTC)))
        assert collect_garbage(archive_path)

    steps = Steps(monkeypatch)
    steps.run(lambda: kubedossier(*READERS[name]), at=0, do=lambda: None)
    assert steps.calls > 3
    for at in sample(range(1, steps.calls + 1), 4):
        fill()
        for one in out.iterdir():
            one.unlink()
        code, said, err = steps.run(lambda: kubedossier(*READERS[name]), at=at, do=merged)
        assert (code, "error" in err) == (0, False), (at, said, err)
        assert len(list(out.iterdir())) <= 1, at
        if name == "bundle":
            assert kubedossier("verify", out / "bundle.zip")[0] == 0, at
    assert not verify(archive_path).findings


def test_readers_and_writers_that_are_processes_do_not_disturb_each_other(tmp_path, nursery, everything):
    case = tmp_path
    (case / "disk" / "A").mkdir(parents=True)
    (case / "disk" / "state").mkdir()
    beside = case / "beside"
    (beside / "made").mkdir(parents=True)
    (beside / "disk").symlink_to(case / "disk")
    source, done, wrong = random.Random(5), threading.Event(), []

    def write():
        number = 0
        while not done.is_set():
            for _ in range(3):
                number += 1
                write_input(case / "more.ndjson", number * 3, number * 3 + 9)
                assert_ok(nursery.run(case, "import", "more.ndjson"), (0, 4))
            for argv in (("compact",), ("gc", "--yes")):
                assert_ok(nursery.run(case, *argv), (0,))

    def assert_ok(run, codes):
        if run.code not in codes or "Traceback" in run.err:
            wrong.append(run)

    write_input(case / "more.ndjson", 0, 60)
    assert nursery.run(case, "import", "more.ndjson").code == 4
    writing = threading.Thread(target=write)
    readers = Nursery()
    writing.start()
    try:
        for _ in range(200 if everything else 1):
            for argv in source.sample(list(READERS.values()), len(READERS)):
                assert_ok(readers.run(beside, *argv), (0,))
    finally:
        done.set()
        writing.join()
        readers.close()
    assert not wrong, wrong
    assert not [one for one in (beside / "made").iterdir() if one.name.startswith(".")]
    assert nursery.run(case, "verify", "--deep").code == 0
