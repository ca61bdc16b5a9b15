"""Power losses of one recorded run: every crash point, every disk it may leave, held against the promise."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from faultkit.disk import FSYNC, operations
from faultkit.power import Model, build
from faultkit.workload import Bench, acknowledged


@dataclass(frozen=True)
class Recorded:
    """The operations of one run, and the disk it started from."""

    operations: list[tuple]
    start: Path


@dataclass(frozen=True)
class Loss:
    """One disk that a power loss may leave after ``at`` operations."""

    at: int
    last: str
    said: int
    tree: dict[str, bytes | None]

    def wrong(self, bench: Bench) -> list[str]:
        """What is wrong with it; empty where the promise holds."""
        case = bench.case()
        shutil.rmtree(case / "disk")
        (case / "disk").mkdir()
        build(self.tree, case / "disk")
        wrong = bench.wrong(case, self.said, level="default")
        shutil.rmtree(case)
        return [f"{bench.name}, power lost after operation {self.at} ({self.last}): {one}" for one in wrong]


def recorded(bench: Bench, mutant=None) -> Recorded:
    """Record one undisturbed run."""
    run, record = _record(bench, mutant)
    bench.ok(run)
    return record


def _record(bench: Bench, mutant, **fault):
    case = bench.case()
    run = bench.run(case, mutant=mutant, record=case / "record", **fault)
    # The record names the disk of its own case; the model starts from one that is as it was.
    found = operations(case / "record")
    shutil.rmtree(case / "disk")
    shutil.copytree(bench.start / "disk", case / "disk")
    return run, Recorded(found, case / "disk")


def successes_after_a_failed_sync(bench: Bench, choose, mutant=None) -> list[str]:
    """Runs that printed success although an fsync of theirs had failed and left something that was not durable."""
    syncs = sum(one[0] == "fsync" for one in recorded(bench, mutant).operations)
    wrong = []
    for at in choose(range(1, syncs + 1)):
        run, record = _record(bench, mutant, action=FSYNC, at=at)
        if run.code == bench.scenario.done:
            early = acknowledged_too_early(bench, record)
            wrong += [f"fsync {at} failed: {one}" for one in early if "/disk/state" not in one]  # the witness may lag
    return wrong


def losses(bench: Bench, record: Recorded, few: int = 6) -> list[Loss]:
    """Every disk, each once for what was acknowledged by then."""
    chance = random.Random(20261123)
    model = Model(record.start)
    found: dict[object, Loss] = {}
    out = ""
    for at, operation in enumerate([("start", ""), *record.operations]):
        if operation[0] == "said":
            out += operation[1]
        else:
            model.apply(operation)
        last = " ".join(str(one)[-60:] for one in operation[:2])
        for tree in model.states(chance, few):
            key = (acknowledged(out), tuple(sorted(tree.items(), key=lambda one: one[0])))
            found.setdefault(hash(key), Loss(at, last, acknowledged(out), tree))
    return list(found.values())


def acknowledged_too_early(bench: Bench, record: Recorded) -> list[str]:
    """Changes of the archive or the witness that were still to be made, or made durable, when success was printed."""
    model = Model(record.start)
    told = [at for at, one in enumerate(record.operations) if one[0] == "said" and acknowledged(one[1])]
    if not told:
        return ["nothing was acknowledged"]
    for operation in record.operations[: told[-1]]:
        if operation[0] != "said":
            model.apply(operation)
    rest = record.operations[told[-1] :]
    late = [f"{one[0]} {one[1]} came later" for one in rest if one[0] not in ("said", "open")]
    lost = [f"the name '{one.path}' was not durable" for one in model.pending if one.node is not None]
    unsynced = [f"the data of '{path}' were not durable" for path in model.unsynced()]
    return [one for one in late + lost + unsynced if "/A/tmp/" not in one]
