"""The work that is disturbed, and the promise that is held against what is left of it.

Two months of events and one record that is none, added to an archive that holds some of them already, or to nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.digests import digest, leaf
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.rejects import read_rejects
from kubedossier.analytics.store.verify import verify

SCENARIOS = ("first", "next")  # into nothing; into an archive that has half of it
ACKNOWLEDGED = re.compile(r"received: ")


def event(number: int) -> bytes:
    month = 9 + number % 2
    return json.dumps(
        {
            "time": f"2026-{month:02d}-{number % 28 + 1:02d}T10:00:00Z",
            "user": {"username": f"user-{number}"},
            "verb": "get",
            "message": f"event {number}",
            "requestURI": f"/api/v1/pods/{number}",
            "cluster": "prod",
        }
    ).encode()


def write_input(path: Path, first: int, last: int) -> None:
    """Events and one record that cannot be read."""
    path.write_bytes(b"\n".join([*map(event, range(first, last)), b'{"err": "no event"}', b""]))


@dataclass(frozen=True)
class Content:
    """What an archive holds: digests of its events by month, its rejects, its entries."""

    months: dict[str, tuple[int, str]]
    rejects: frozenset[bytes]
    entries: int


def content(archive: Path) -> Content:
    ledger = Ledger.read(archive)
    leaves = defaultdict(list)
    for file in ledger.live():
        table = pq.ParquetFile(archive / file.path).read(columns=["raw"])
        leaves[file.month] += [leaf(raw.encode()) for raw in table.column("raw").to_pylist()]
    rejects = frozenset(one.raw for file in ledger.live("rejects") for one in read_rejects(archive, file))
    return Content({month: (len(some), digest(some)) for month, some in leaves.items()}, rejects, len(ledger.entries))


class Bench:
    """Cases of one scenario: each starts from the same disk and is measured against the same undisturbed run."""

    def __init__(self, folder: Path, nursery, scenario: str) -> None:
        self.folder, self.nursery, self.scenario = folder, nursery, scenario
        self._number = 0
        self.start = folder / "start"
        (self.start / "disk" / "state").mkdir(parents=True)
        write_input(self.start / "some.ndjson", 0, 30)
        write_input(self.start / "more.ndjson", 15, 60)
        if scenario == "next":
            self.ok(self.start, nursery.run(self.start, "import", "some.ndjson"))
        undisturbed = self.case()
        self.ok(undisturbed, nursery.run(undisturbed, "import", "more.ndjson"))
        self.wanted = content(undisturbed / "disk" / "A")
        self.before = content(self.start / "disk" / "A") if scenario == "next" else Content({}, frozenset(), 0)

    @staticmethod
    def ok(case, run):
        assert run.code == 4, run  # 4: the one record that cannot be read
        assert ACKNOWLEDGED.search(run.out)

    def case(self) -> Path:
        """A fresh copy of the start."""
        self._number += 1
        path = self.folder / f"case-{self._number}"
        shutil.copytree(self.start, path, symlinks=True)
        return path

    def count(self, mutant=None) -> int:
        case = self.case()
        run = self.nursery.run(case, "import", "more.ndjson", mutant=mutant)
        self.ok(case, run)
        shutil.rmtree(case)
        return run.calls

    def disturbed(self, action: str, at: int, mutant=None) -> list[str]:
        """What is wrong after one fault; empty where the promise holds."""
        case = self.case()
        run = self.nursery.run(case, "import", "more.ndjson", action=action, at=at, mutant=mutant)
        wrong = self.wrong_exit(run, killed=action.endswith("kill"))
        wrong += self.wrong(case, bool(ACKNOWLEDGED.search(run.out)))
        shutil.rmtree(case)
        return [f"{self.scenario}, {action} at call {at}: {one}" for one in wrong]

    @staticmethod
    def wrong_exit(run, *, killed: bool) -> list[str]:
        """Whether a run ended as documented: killed, storage failure, or done in spite of it."""
        wrong = []
        if "Traceback" in run.err or "Unexpected" in run.err:
            wrong.append(f"no plain error: {run.err}")
        if run.code not in ((137,) if killed else (4, 7)):
            wrong.append(f"exit code {run.code}: {run.err}")
        if (run.code == 4) != bool(ACKNOWLEDGED.search(run.out)) and not killed:
            wrong.append(f"exit code {run.code}, said {run.out!r}")
        if run.code == 7 and not run.err.startswith("error: "):
            wrong.append(f"no message: {run.err!r}")
        return wrong

    def wrong(self, case: Path, acknowledged: bool, *, level="deep") -> list[str]:
        """Hold an archive against the promise: sound now, what was acknowledged there, whole after the next run."""
        archive = case / "disk" / "A"
        wrong = self._guarded(case, lambda: self._wrong_now(archive, acknowledged, level))
        run = self.nursery.run(case, "import", "more.ndjson")
        if run.code != 4:
            return [*wrong, f"the next run failed with {run.code}: {run.err}"]
        return wrong + self._guarded(case, lambda: self._wrong_after(archive, level))

    @staticmethod
    def _guarded(case: Path, look) -> list[str]:
        with state_home(case):
            try:
                return look()
            except (KubedossierError, OSError, ValueError) as error:
                return [f"not readable: {error!r}"]

    def _wrong_after(self, archive: Path, level: str) -> list[str]:
        after = content(archive)
        findings = verify(archive, level=level, recheck=recheck_events).findings
        wrong = [f"after the next run: {one}" for one in findings]
        if after.months != self.wanted.months or after.rejects != self.wanted.rejects:
            wrong.append(f"after the next run it holds {after}, not {self.wanted}")
        ledger = Ledger.read(archive)
        if (seen := witness.heads(ledger.archive_id).get(ledger.head[0])) != ledger.head[1]:
            wrong.append(f"after the next run the witness says {seen} of {ledger.head}")
        return wrong

    def _wrong_now(self, archive: Path, acknowledged: bool, level: str) -> list[str]:
        if not (archive / "ledger").is_dir() or not Ledger.read(archive).entries:
            return ["the archive is gone"] if acknowledged or self.before.entries else []
        found = content(archive)
        wrong = [str(one) for one in verify(archive, level=level, recheck=recheck_events).findings]
        if acknowledged and (found.months, found.entries) != (self.wanted.months, self.wanted.entries):
            wrong.append(f"acknowledged, and it holds {found}, not {self.wanted}")
        if found.entries < self.before.entries:
            wrong.append("entries of earlier runs are gone")
        return wrong


@contextmanager
def state_home(case: Path):
    """The witness of a case."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(case / "disk" / "state")
    try:
        yield
    finally:
        os.environ.pop("XDG_STATE_HOME")
        if before is not None:
            os.environ["XDG_STATE_HOME"] = before
