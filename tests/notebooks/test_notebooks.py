"""The notebooks run from top to bottom, find what they promise, and are kept without outputs."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hard_archive import CONSOLE, fill

from kubedossier.analytics.demo import INTRUDER, NEW_ADDRESS, console_events
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PROMISED = {
    "01-first-look": ["records without a usable time"],
    "02-hunting": [f"{INTRUDER} and 1 more from {NEW_ADDRESS}", "serviceaccount/token", "cluster-admin", "<svg"],
    "03-your-own-query": ["Changes by hand - October 2026", "not one single select", "Section 8, Changes by hand: evidence E", "<svg"],
}


def read(path: Path) -> Any:
    import nbformat

    return nbformat.read(path, as_version=4)


def execute(path: Path, folder: Path) -> list[Any]:
    """Run a notebook in a kernel of its own; what Jupyter's packages warn about is not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        done = NotebookClient(
            read(path), timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()
    return [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.fixture
def run(archive_path, tmp_path, monkeypatch):
    pytest.importorskip("ipykernel")
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("KUBEDOSSIER_ARCHIVE", str(archive_path))

    def run(path: Path) -> str:
        outputs = execute(path, tmp_path)
        assert not any(output.output_type == "error" for output in outputs)
        assert not any(output.get("name") == "stderr" for output in outputs), outputs
        return "\n".join(str(output) for output in outputs)

    return run


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_finds_what_it_promises_in_the_demonstration(path, run, archive_path):
    with Intake(archive_path, kind="snapshot") as intake:
        intake.add([Record(raw, console=CONSOLE) for raw in console_events(datetime(2026, 11, 3, tzinfo=UTC))])
        intake.commit({"console": CONSOLE, "filtered": False, "collected": [], "gaps": [], "windows": []})
    text = run(path)
    for promised in PROMISED[path.stem]:
        assert promised in text


@pytest.mark.filterwarnings("ignore")
def test_a_first_look_works_on_an_archive_full_of_oddities(run, archive_path):
    fill(archive_path)
    assert "The month: 2026-11." in run(FOLDER / "01-first-look.ipynb")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = read(path).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert cells[0].cell_type == "markdown"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_reads_as_a_document(path):
    cells = read(path).cells
    prose = [cell for cell in cells if cell.cell_type == "markdown"]
    assert prose[0].source.startswith("# ")
    assert sum(cell.source.count("\n## ") + cell.source.startswith("## ") for cell in prose) >= 3
    assert len(prose) >= len(cells) / 3


def test_every_notebook_promises_something():
    assert [path.stem for path in NOTEBOOKS] == list(PROMISED)
