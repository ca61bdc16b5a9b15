"""The notebooks run from top to bottom on a small archive, and are kept without outputs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import hard_archive
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    import nbformat

    return nbformat.read(path, as_version=4)


def execute(path: Path, folder: Path) -> Any:
    """Run a notebook in a kernel of its own; what Jupyter's packages warn about is not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        return NotebookClient(
            read(path), timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_a_small_archive(path, archive_path, tmp_path, monkeypatch):
    pytest.importorskip("ipykernel")
    hard_archive.fill(archive_path)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("KUBEDOSSIER_ARCHIVE", str(archive_path))
    done = execute(path, tmp_path)
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("carol" in str(output) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs), outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = read(path).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert cells[0].cell_type == "markdown"


def test_there_are_notebooks():
    assert NOTEBOOKS
