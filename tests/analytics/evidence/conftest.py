"""An archive with everything that makes bundles hard, and a bundle of it, packed and unpacked."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from kubedossier.analytics.evidence.bundle import write_bundle
from kubedossier.analytics.evidence.choice import plan_bundle
from kubedossier.analytics.evidence.subject import parse_subject
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record

CONSOLE = "https://console.example:8083"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
HOSTILE = (
    "../../etc/passwd",
    "a=b",
    "",
    "x" * 300,
    "line\nbreak",
    "=cmd|' /C calc'!A0",
    "-rf",
    "\u202egnp",
    "CON",
    "a/b",
)


def event(number: int, month: str = "2026-10", **more: object) -> dict[str, object]:
    return {
        "time": f"{month}-{number % 28 + 1:02d}T00:00:{number % 60:02d}Z",
        "verb": "get",
        "user": {"username": f"user{number % 7}", "groups": ["system:authenticated"]},
        "message": f"event {number}",
        "cluster": HOSTILE[number % len(HOSTILE)],
        "resources": "pods/exec",
        "attackTechniques": ["execIntoContainer"],
    } | more


def compact(one: dict[str, object]) -> bytes:
    return json.dumps(one, separators=(",", ":")).encode()


def take(root: Path, raws: list[bytes], kind="import", **facts: object) -> str:
    with Intake(root, kind=kind) as intake:
        intake.add([Record(raw, console=CONSOLE if kind == "snapshot" else None) for raw in raws])
        return intake.commit(facts).id


def collected(start: str, end: str, gaps: tuple[tuple[str, str], ...] = ()) -> dict[str, object]:
    def full(day: str) -> str:
        return f"{day}T00:00:00.000000Z"

    return {
        "console": CONSOLE,
        "filtered": False,
        "windows": [{"from": full(start), "to": full(end)}],
        "collected": [{"from": full(start), "to": full(end)}],
        "gaps": [{"from": full(one), "to": full(other), "reason": "dropped"} for one, other in gaps],
    }


def make_archive(root: Path) -> Path:
    """Two months, three snapshots and two imports, pretty-printed events, rejects, formulas, undated records."""
    take(root, [compact(event(n, "2026-09")) for n in range(20)], "snapshot", **collected("2026-09-01", "2026-10-01"))
    take(root, [compact(event(n)) for n in range(30)] + [b"oops"], "snapshot", **collected("2026-10-01", "2026-10-11"))
    later = collected("2026-10-12", "2026-11-01", (("2026-10-11", "2026-10-12"),))
    take(root, [compact(event(n)) for n in range(30, 60)] + [b'{"not": "known"}'], "snapshot", **later)
    pretty = [json.dumps(event(n), indent=1).encode() for n in range(60, 70)]
    pretty += [json.dumps(event(70), indent=1).replace("\n", "\r\n").encode()]
    formulas = [compact(event(80 + n, message=text)) for n, text in enumerate(("=1+1", "+1", "-1", "@x", "\tx", "\rx"))]
    undated = [compact(event(90) | {"time": "yesterday"}), compact({"verb": "get"})]
    take(root, [pretty[0], *formulas, *pretty[1:], *undated, b"\xff\xfe"])
    take(root, [b"only", b"rejects"])
    return root


def make_bundle(root: Path, out: Path, month: str = "2026-10", **more: object) -> Path:
    """A bundle in a folder; its path."""
    plan = plan_bundle(root, parse_subject(month, now=NOW), **more)
    path = out / f"{plan.folder}.zip"
    with path.open("w+b") as file:
        write_bundle(plan, file, spool=out)
    return path


def unpack(path: Path, to: Path) -> Path:
    """Unpack a bundle with the standard tool; its one folder."""
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    subprocess.run(["unzip", "-q", str(path), "-d", str(to)], check=True)
    (folder,) = to.iterdir()
    return folder


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The functions of this file, for tests."""
    return SimpleNamespace(**{one.__name__: one for one in (event, compact, take, collected, make_bundle, unpack)})


@pytest.fixture(scope="session")
def stored(tmp_path_factory) -> Path:
    """The archive; tests must not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return make_archive(tmp_path_factory.mktemp("stored") / "dossier")


@pytest.fixture
def root(stored, tmp_path) -> Path:
    """A copy of the archive to change."""
    shutil.copytree(stored, tmp_path / "dossier")
    return tmp_path / "dossier"


@pytest.fixture(scope="session")
def october(stored, tmp_path_factory) -> Path:
    """The bundle of October; tests must not change it."""
    return make_bundle(stored, tmp_path_factory.mktemp("october"))


@pytest.fixture
def bag(october, tmp_path) -> Path:
    """The unpacked bundle, to change."""
    return unpack(october, tmp_path / "unpacked")
