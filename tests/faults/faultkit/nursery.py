"""Runs the command line many times without starting Python many times: imports once, forks for each run.

Every run is a process of its own, so it may be killed, and what it holds (locks, descriptors, memory) dies with it.
``python -m faultkit.nursery`` serves; ``Nursery`` asks it.
"""

# What stands below pathlib cannot be written with it.

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """How a run ended; ``code`` is 137 where it was killed."""

    code: int
    out: str
    err: str
    calls: int = 0


class Nursery:
    """A process that forks runs."""

    def __init__(self) -> None:
        here = Path(__file__).resolve().parent.parent
        path = os.pathsep.join(filter(None, (str(here), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faultkit.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )

    def run(self, case: Path, *argv: str, action=None, at=0, mutant=None, record: Path | None = None) -> Run:
        """One run of the command line in the folder of a case, its disk watched below ``case/disk``."""
        order = {"case": str(case), "argv": argv, "action": action, "at": at, "mutant": mutant}
        order["record"] = str(record) if record else None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Run(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def serve() -> None:
    import kubedossier.analytics.archive
    import kubedossier.analytics.evidence.bundle
    import kubedossier.analytics.ingest.console
    import kubedossier.analytics.ingest.importer
    import kubedossier.analytics.ingest.pull
    import kubedossier.analytics.ingest.recheck
    import kubedossier.analytics.store.compact
    import kubedossier.analytics.store.retention
    import kubedossier.analytics.store.verify
    import kubedossier.cli.bundle
    import kubedossier.cli.import_
    import kubedossier.cli.query
    import kubedossier.cli.rejects
    import kubedossier.cli.report
    import kubedossier.cli.retract
    import kubedossier.cli.snapshot
    import kubedossier.cli.verify
    import kubedossier.reports.build
    import kubedossier.reports.render  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        case = Path(order["case"])
        child = os.fork()
        if not child:
            _live(case, order)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        calls = case / "calls"
        answer = {
            "code": 128 - code if code < 0 else code,
            "out": (case / "out").read_text(),
            "err": (case / "err").read_text(),
            "calls": int(calls.read_text()) if calls.exists() else 0,
        }
        print(json.dumps(answer), flush=True)  # noqa: T201


def _live(case: Path, order: dict) -> None:
    """Be the run; never returns."""
    code = 99
    try:
        from faultkit import mutants
        from faultkit.disk import Disk, Out

        from kubedossier.cli import cli
        from kubedossier.cli.diagnostics import run

        os.chdir(case)
        os.environ["XDG_STATE_HOME"] = str(case / "disk" / "state")
        os.environ["KUBEDOSSIER_TOKEN"] = "any"
        os.environ["XDG_CONFIG_HOME"] = str(case / "config")
        out, err = (case / "out").open("w"), (case / "err").open("w")
        disk = Disk(case / "disk", order["action"], order["at"], order["record"])
        sys.stdin, sys.stdout, sys.stderr = open(os.devnull), Out(disk, out), err  # noqa: SIM115
        sys.argv = ["kubedossier", "--archive", str(case / "disk" / "A"), *order["argv"]]
        (case / "calls").unlink(missing_ok=True)
        disk.install()
        if order["mutant"]:
            mutants.MUTANTS[order["mutant"]]()
        code = run(cli)
        err.flush()
        with open(case / "calls", "w") as file:
            file.write(str(disk.calls))
    except BaseException as error:  # noqa: BLE001 - a fork must never return into the server's loop
        os.write(2, f"the fault kit failed: {error!r}\n".encode())
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
