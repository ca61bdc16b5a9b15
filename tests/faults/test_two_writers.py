"""Two writers, and readers beside a writer: one writes, the other is busy or waits, and nobody sees half a commit."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from faultkit import straced
from faultkit.workload import content, event, state_home, write_input

from kubedossier.analytics.errors import BusyError
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import verify


def add(archive, numbers):
    with Intake(archive, kind="import") as intake:
        intake.add([Record(event(number)) for number in numbers])
        return intake.commit({})


@pytest.fixture
def case(imports):
    case = imports.case()
    with state_home(case):
        yield case


def test_a_second_writer_is_busy_at_once_and_changes_nothing(imports, case):
    archive = case / "disk" / "A"
    with Writer(archive) as writer:
        before = writer.ledger.head
        run = straced.cli(case, "import", "more.ndjson")
        assert (run.code, run.out) == (8, "")
        assert "Another writer" in run.err
        assert Ledger.read(archive).head == before
    assert not imports.wrong(case, 0)


def test_a_writer_that_waited_knows_what_was_added_meanwhile(imports, case, nursery):
    archive = case / "disk" / "A"
    os.mkfifo(case / "locking")
    ended = []

    def wait():
        ended.append(nursery.run(case, "import", "--wait", "more.ndjson", mutant="tells_before_locking"))

    with Intake(archive, kind="import") as intake:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert (case / "locking").read_text() == "now"  # opened by the other run, just before it asks for the lock
        intake.add([Record(event(number)) for number in range(15, 60)])
        new = intake.commit({}).new
    waiting.join()
    assert ended[0].code == 4
    assert new == (45 if imports.name == "first" else 30)
    assert ended[0].out.startswith("46 received: 0 new, 45 duplicate, 1 rejected")
    assert not imports.wrong(case, 0)


def test_a_killed_writer_leaves_no_lock(imports, case, nursery):
    run = nursery.run(case, "import", "more.ndjson", action="kill", at=imports.count() // 2)
    assert run.code == 137
    assert nursery.run(case, "import", "more.ndjson").code == 4


def test_a_lock_that_somebody_removed_lets_no_entry_be_overwritten(imports, case):
    archive = case / "disk" / "A"
    with Intake(archive, kind="import") as first:
        first.add([Record(event(number)) for number in range(100, 110)])
        (archive / ".lock").unlink()
        assert add(archive, range(200, 205)).new == 5
        with pytest.raises(BusyError):
            first.commit({})
    assert not verify(archive).findings
    assert add(archive, range(200, 205)).new == 0


def test_readers_without_a_lock_see_whole_commits_only(case, nursery):
    archive = case / "disk" / "A"
    add(archive, range(1000, 1002))
    start = sum(count for count, _ in content(archive).months.values())
    for number in range(12):
        write_input(case / f"{number}.ndjson", 2000 + 5 * number, 2005 + 5 * number)

    def write():
        for number in range(12):
            nursery.run(case, "import", f"{number}.ndjson")

    writing = threading.Thread(target=write)
    writing.start()
    seen, findings = set(), []
    while writing.is_alive():
        seen.add(sum(count for count, _ in content(archive).months.values()))
        findings += verify(archive).findings
    writing.join()
    assert not findings
    assert seen <= {start + 5 * number for number in range(13)}
    assert sum(count for count, _ in content(archive).months.values()) == start + 60


def test_a_commit_between_any_two_steps_of_verify_is_no_finding(case, monkeypatch):
    archive = case / "disk" / "A"
    add(archive, range(1000, 1002))
    steps = Steps(monkeypatch)
    assert not steps.run(lambda: verify(archive), at=0, do=lambda: None).findings
    assert steps.calls > 10
    for at in range(1, steps.calls + 1):
        verdict = steps.run(lambda: verify(archive), at=at, do=lambda at=at: add(archive, range(2000 + at, 2001 + at)))
        assert not verdict.findings, at


class Steps:
    """Does something at the n-th look at the disk of what it runs."""

    LOOKS = (
        (os, "listdir"),
        (Path, "read_bytes"),
        (Path, "lstat"),
        (Path, "iterdir"),
        (Path, "is_dir"),
        (Path, "open"),
    )

    def __init__(self, monkeypatch):
        self.calls, self.at, self.do, self.off = 0, 0, None, True
        for owner, name in self.LOOKS:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, below):
        def look(*arguments, **more):
            if not self.off:
                self.calls += 1
                if self.calls == self.at:
                    self.off = True
                    self.do()
                    self.off = False
            return below(*arguments, **more)

        return look

    def run(self, what, *, at, do):
        self.calls, self.at, self.do, self.off = 0, at, do, False
        try:
            return what()
        finally:
            self.off = True
