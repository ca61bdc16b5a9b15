"""The work that is disturbed, and the promise that is held against what is left of it.

Two months of events and one record that is none, added to an archive that holds some of them already, or to nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.digests import digest, leaf
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.rejects import read_rejects
from kubedossier.analytics.store.verify import verify

# What each of these prints when something of it is durable; gc prints its files, all at once.
_SAID = re.compile(
    r"\b[1-9][\d,]* received[:,] |  ->  |, rules .+ -> |\Aevents/|\Adisk/out/|\A[0-9a-f]{64}  disk/out/"
    r"|\AAccepted: |\A\d{8}T\d{6}Z-[0-9a-f]{8}  [\d,]+ records, "
)


@dataclass(frozen=True)
class Scenario:
    """A run to disturb.

    Attributes:
        before: what was done before it, by the program with ``before_mutant`` planted.
        prepare: what somebody else then did to the archive.
        argv: its arguments.
        done: the exit code of its success.
        repeated: the exit code where the work was done already.
        cured: kinds of findings that are there before it, and gone after it.
    """

    before: tuple[tuple[str, ...], ...]
    argv: tuple[str, ...]
    done: int = 0
    repeated: int = 0  # also where what cannot be read was kept by an earlier run
    before_mutant: str | None = None
    prepare: Callable[[Path], None] | None = None
    cured: frozenset[str] = frozenset()


def put_back(archive: Path) -> None:
    """Restore the backup that was made before the last import."""
    ledger = Ledger.read(archive)
    for one in ledger.files.values():
        if one.snapshot == ledger.entries[-1]["id"]:
            (archive / one.path).unlink()
    (archive / "ledger" / f"{ledger.head[0]:08d}.json").unlink()


_SOME, _MORE, _RAW = (("import", f"{name}.ndjson") for name in ("some", "more", "raw"))
SCENARIOS = {
    "first": Scenario((), _MORE, 4),  # 4: the one record that cannot be read
    "next": Scenario((_SOME,), _MORE, 4),
    "compact": Scenario((_SOME, _MORE), ("compact",)),
    "snapshot": Scenario((), ("snapshot", "--from-start", "--connections", "1", "--console")),  # and its address
    "rederive": Scenario((_SOME, _RAW), ("--config", "own.toml", "techniques", "--rederive", "--yes")),
    "gc": Scenario((_SOME, _MORE, ("compact",)), ("gc", "--yes")),
    "retract": Scenario((_SOME,), ("retract", "2", "--reason", "a mistake", "--yes"), repeated=2),
    "retry": Scenario((_SOME, _MORE), ("rejects", "--retry"), 4, before_mutant="knows_fewer_events"),
    "rollback": Scenario(
        (_SOME, _MORE),
        ("verify", "--accept-rollback"),
        repeated=1,
        prepare=put_back,
        cured=frozenset(("rolled-back", "entry-replaced")),
    ),
}


def acknowledged(out: str) -> int:
    """How many commits a run has told of."""
    return len(_SAID.findall(out))


def event(number: int) -> bytes:
    month = 9 + number % 2
    return json.dumps(
        {
            "time": f"2024-{month:02d}-{number % 28 + 1:02d}T10:00:00Z",
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


def raw_event(number: int) -> bytes:
    """An event that technique rules have something to say of."""
    return json.dumps(
        {
            "auditID": f"id-{number}",
            "stage": "ResponseComplete",
            "verb": "get",
            "user": {"username": f"user-{number}"},
            "objectRef": {"resource": "secrets", "namespace": "shop", "name": f"secret-{number}"},
            "responseStatus": {"code": 200},
            "requestReceivedTimestamp": f"2024-{9 + number % 2:02d}-{number % 28 + 1:02d}T11:00:00Z",
        }
    ).encode()


@dataclass(frozen=True)
class Content:
    """What an archive holds: digests of its events by month, its rejects, its entries, event files on disk, rules."""

    months: dict[str, tuple[int, str]]
    rejects: frozenset[bytes]
    entries: int
    files: int
    rules: frozenset[str | None] = frozenset()


def content(archive: Path) -> Content:
    ledger = Ledger.read(archive)
    leaves = defaultdict(list)
    rules: set[str | None] = set()
    for file in ledger.live():
        table = pq.ParquetFile(archive / file.path).read(columns=["raw", "rules_version"])
        rules.update(table.column("rules_version").to_pylist())
        leaves[file.month] += [leaf(raw.encode()) for raw in table.column("raw").to_pylist()]
    rejects = frozenset(one.raw for file in ledger.live("rejects") for one in read_rejects(archive, file))
    months = {month: (len(some), digest(some)) for month, some in leaves.items()}
    return Content(months, rejects, len(ledger.entries), sum(1 for _ in archive.glob("events/*/*")), frozenset(rules))


class Bench:
    """Cases of one scenario: each starts from the same disk and is measured against the same undisturbed run."""

    def __init__(self, folder: Path, nursery, name: str, *more: str, scenario: Scenario | None = None) -> None:
        self.folder, self.nursery, self.name = folder, nursery, name
        self.scenario = scenario or SCENARIOS[name]
        self.argv = (*self.scenario.argv, *more)
        self._number = 0
        self.start = folder / "start"
        (self.start / "disk" / "state").mkdir(parents=True)
        write_input(self.start / "some.ndjson", 0, 30)
        write_input(self.start / "more.ndjson", 15, 60)
        (self.start / "raw.ndjson").write_bytes(b"\n".join(map(raw_event, range(20))))
        (self.start / "own.toml").write_text('[techniques]\noff = ["secrets"]\n')
        for argv in self.scenario.before:
            assert nursery.run(self.start, *argv, mutant=self.scenario.before_mutant).code in (0, 4)
        self._prepare()
        self._measure()

    def _prepare(self) -> None:
        if self.scenario.prepare:
            self.scenario.prepare(self.start / "disk" / "A")

    def _measure(self) -> None:
        undisturbed = self.case()
        self.wanted_acknowledged = self.ok(self.run(undisturbed))
        self.wanted = content(undisturbed / "disk" / "A")
        self.before = content(self.start / "disk" / "A") if self.scenario.before else Content({}, frozenset(), 0, 0)

    def run(self, case: Path, **disturbance):
        """The run that is disturbed."""
        return self.nursery.run(case, *self.argv, **disturbance)

    def ok(self, run) -> int:
        """Check that a run did its work; how many commits it told of."""
        assert run.code == self.scenario.done, run
        assert acknowledged(run.out), run
        return acknowledged(run.out)

    def case(self) -> Path:
        """A fresh copy of the start."""
        self._number += 1
        path = self.folder / f"case-{self._number}"
        shutil.copytree(self.start, path, symlinks=True)
        return path

    def count(self, mutant=None) -> int:
        case = self.case()
        run = self.run(case, mutant=mutant)
        self.ok(run)
        shutil.rmtree(case)
        return run.calls

    def disturbed(self, action: str, at: int, mutant=None) -> list[str]:
        """What is wrong after one fault; empty where the promise holds."""
        case = self.case()
        run = self.run(case, action=action, at=at, mutant=mutant)
        reached = not run.calls or run.calls >= at  # a run that was killed says nothing; another may have fewer calls
        wrong = self.wrong_exit(run, killed=action.endswith("kill") and reached)
        wrong += self.wrong(case, acknowledged(run.out))
        shutil.rmtree(case)
        return [f"{self.name}, {action} at call {at}: {one}" for one in wrong]

    def wrong_exit(self, run, *, killed: bool) -> list[str]:
        """Whether a run ended as documented: killed, storage failure, or done in spite of it."""
        wrong = []
        if "Traceback" in run.err or "Unexpected" in run.err:
            wrong.append(f"no plain error: {run.err}")
        if run.code not in ((137,) if killed else (self.scenario.done, 7)):
            wrong.append(f"exit code {run.code}: {run.err}")
        if run.code == self.scenario.done and acknowledged(run.out) != self.wanted_acknowledged:
            wrong.append(f"exit code {run.code}, said {run.out!r}")
        if run.code == 7 and "\nerror: " not in "\n" + run.err:
            wrong.append(f"no message: {run.err!r}")
        return wrong

    def wrong(self, case: Path, said: int, *, level="deep") -> list[str]:
        """Hold an archive against the promise: sound now, what was acknowledged there, whole after the next run."""
        archive = case / "disk" / "A"
        wrong = self._guarded(case, lambda: self._wrong_now(archive, said, level))
        run = self.run(case)
        if run.code not in (0, self.scenario.done, self.scenario.repeated):
            return [*wrong, f"the next run failed with {run.code}: {run.err}"]
        if run.code == self.scenario.repeated != 0:  # it wrote nothing; the next that does recalls the head
            with state_home(case), Writer(archive):
                pass
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
        if replace(after, entries=0) != replace(self.wanted, entries=0):
            wrong.append(f"after the next run it holds {after}, not {self.wanted}")
        ledger = Ledger.read(archive)
        if (seen := witness.heads(ledger.archive_id).get(ledger.head[0])) != ledger.head[1]:
            wrong.append(f"after the next run the witness says {seen} of {ledger.head}")
        return wrong

    def _wrong_now(self, archive: Path, said: int, level: str) -> list[str]:
        if not (archive / "ledger").is_dir() or not Ledger.read(archive).entries:
            return ["the archive is gone"] if said or self.before.entries else []
        found = content(archive)
        found_wrong = verify(archive, level=level, recheck=recheck_events).findings
        wrong = [str(one) for one in found_wrong if said or one.kind not in self.scenario.cured]
        least = self.wanted.entries - self.wanted_acknowledged + said if said else self.before.entries
        whole = said == self.wanted_acknowledged
        if found.entries < least or (whole and found.months != self.wanted.months):
            wrong.append(f"{said} commits acknowledged, and it holds {found}, not {self.wanted}")
        if found.months not in (self.before.months, self.wanted.months):
            wrong.append(f"it holds half a commit: {found}")
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
