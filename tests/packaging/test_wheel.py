"""What users install: the wheel holds what the tree holds, and runs with the source out of reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from kubedossier import __version__

FOLDERS = ("analytics", "queries", "reports")


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def tree(checkout: Path) -> dict[str, Path]:
    """What git holds of the package, or would hold after a commit: name inside the wheel -> file."""
    if shutil.which("git") is None or not (checkout / ".git").exists():
        pytest.skip("no git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "src/kubedossier", *FOLDERS],
        cwd=checkout,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = [Path(name) for name in listed.split("\0") if name]
    return {
        f"kubedossier/{name.relative_to('src/kubedossier') if name.parts[0] == 'src' else name}": checkout / name
        for name in files
        if (checkout / name).is_file() and not (checkout / name).is_symlink()
    }


def test_the_wheel_holds_exactly_the_files_of_the_tree(wheel, tree):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == set(tree)
        assert [name for name in names if archive.read(name) != tree[name].read_bytes()] == []


def test_the_wheel_carries_its_licence_its_command_and_its_version(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = f"kubedossier-{__version__}.dist-info"
        metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
        assert metadata["License-Expression"] == "Apache-2.0"
        assert metadata["Version"] == __version__
        assert b"kubedossier = kubedossier.__main__:main" in archive.read(f"{info}/entry_points.txt")
        assert b"Apache License" in archive.read(f"{info}/licenses/LICENSE")


def test_the_wheel_runs_with_the_source_out_of_reach(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")

    def python(*arguments: str) -> str:
        environ = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    places = "import kubedossier.analytics, kubedossier.reports; print(kubedossier.analytics.__file__)"
    assert python("-c", places).startswith(str(tmp_path))
    assert python("-m", "kubedossier", "--version").strip().endswith(__version__)
    data = "from kubedossier.analytics.vocabulary import techniques; print(len(techniques()))"
    assert python("-c", data) == "46\n"
