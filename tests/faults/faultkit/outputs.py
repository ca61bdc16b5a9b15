"""Output files under faults: under its name stands the file that was there before, or a whole new one, never a part.

What is made here is the same on every run (same archive, same bytes), so a whole file is known by its content.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from faultkit.workload import Bench, Scenario

IMPORT = ("import", "more.ndjson")
OUTPUTS = {
    "bundle": ("disk/out/month.zip", ("bundle", "2024-09", "-o", "disk/out/month.zip")),
    "report": ("disk/out/month.json", ("report", "--period", "2024-09", "-f", "json", "-o", "disk/out/month.json")),
    "pdf": ("disk/out/month.pdf", ("report", "--period", "2024-09", "-o", "disk/out/month.pdf")),
}
OLD = b"what was there before"


class OutputBench(Bench):
    """Cases of one output file; ``old`` says whether a complete one has its name already."""

    def __init__(self, folder: Path, nursery, name: str, *, old: bool) -> None:
        path, argv = OUTPUTS[name]
        self.path = path
        self.old = OLD if old else None
        super().__init__(folder, nursery, name, scenario=Scenario((IMPORT,), argv))

    def _prepare(self) -> None:
        out = self.start / "disk" / "out"
        out.mkdir()
        if self.old is not None:
            (self.start / self.path).write_bytes(self.old)

    def _measure(self) -> None:
        case = self.case()
        self.wanted_acknowledged = self.ok(self.run(case))
        self.wanted = (case / self.path).read_bytes()
        assert len(self.wanted) > 5000
        shutil.rmtree(case)

    def wrong(self, case: Path, said: int, *, level="default") -> list[str]:
        """Whether the file is the old one or the new one, and the new one where that was said; then again."""
        wrong = self._file(case, must_be_new=said > 0)
        run = self.run(case)
        if run.code != self.scenario.done:
            return [*wrong, f"the next run failed with {run.code}: {run.err}"]
        return wrong + [f"after the next run: {one}" for one in self._file(case, must_be_new=True)]

    def _file(self, case: Path, *, must_be_new: bool) -> list[str]:
        try:
            found = (case / self.path).read_bytes()
        except FileNotFoundError:
            found = None
        if found == self.wanted or (found == self.old and not must_be_new):
            return []
        what = "nothing" if found is None else f"{len(found)} bytes: {found[:60]!r}"
        return [f"'{self.path}' holds {what}"]
