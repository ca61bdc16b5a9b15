"""What an archive is made of: plain files and folders for its owner alone, and never a symbolic link."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat

import pytest
from faultkit import straced
from faultkit.workload import state_home, write_input

from kubedossier.analytics.errors import BusyError, IntegrityError, StorageError
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import verify


def names(folder):
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def case(nursery, tmp_path):
    """An archive with one import."""
    (tmp_path / "disk").mkdir()
    write_input(tmp_path / "more.ndjson", 0, 20)
    assert nursery.run(tmp_path, "import", "more.ndjson").code == 4
    with state_home(tmp_path):
        yield tmp_path


PLACES = (
    "events",
    "ledger",
    "rejects",
    "tmp",
    ".lock",
    "events/month=2024-09",
    "ledger/00000001.json",
    "ledger/00000002.json",
)


@pytest.mark.parametrize("place", [*PLACES, "an event file"])
def test_a_symbolic_link_in_an_archive_is_refused_and_not_followed(case, nursery, place):
    archive = case / "disk" / "A"
    path = archive / (Ledger.read(archive).live()[0].path if place == "an event file" else place)
    elsewhere = case / "elsewhere"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)
    before = sorted((one, one.stat().st_mtime_ns) for one in [elsewhere, *elsewhere.rglob("*")])
    write_input(case / "other.ndjson", 100, 120)
    run = nursery.run(case, "import", "other.ndjson")
    assert run.code == 5, run
    assert "symbolic link" in run.err
    assert sorted((one, one.stat().st_mtime_ns) for one in [elsewhere, *elsewhere.rglob("*")]) == before
    if place not in ("tmp", ".lock"):  # no evidence lies there
        assert "link" in {one.kind for one in verify(archive, level="quick").findings}


def test_the_archive_itself_may_be_reached_through_a_link(case, nursery):
    archive = case / "disk" / "A"
    shutil.move(archive, case / "disk" / "B")
    archive.symlink_to(case / "disk" / "B")
    assert nursery.run(case, "import", "more.ndjson").code == 0
    assert not verify(archive).findings


def test_links_in_output_beside_the_evidence_are_nobodys_business(case, nursery):
    (case / "disk" / "A" / "reports").mkdir()
    (case / "disk" / "A" / "reports" / "latest.pdf").symlink_to("2026-10.pdf")
    assert nursery.run(case, "import", "more.ndjson").code == 0


@pytest.mark.parametrize("umask", [0, 0o177])
def test_files_and_folders_are_for_their_owner_alone_whatever_the_umask(case, umask):
    shutil.rmtree(case / "disk" / "A")
    shutil.rmtree(case / "disk" / "state")
    run = straced.cli(case, "import", "more.ndjson", umask=umask, before=straced.unprivileged())
    assert run.code == 4, run
    state = case / "disk" / "state" / "kubedossier"
    for top in (case / "disk" / "A", state):
        for path in (top, *top.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_volume_of_its_own_may_hold_an_archive_at_its_root(tmp_path):
    (tmp_path / "lost+found").mkdir()
    with Writer(tmp_path) as writer:
        assert writer.ledger.head[0] == 1


def test_a_folder_that_holds_something_else_is_not_made_an_archive(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(StorageError, match=r"not an archive.*thesis"):
        Writer(tmp_path)
    assert names(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize("lost", [(1,), (2,), (1, 2), (1, 2, 3)])
def test_nothing_is_added_to_an_archive_whose_ledger_lost_entries(case, nursery, lost):
    nursery.run(case, "import", "more.ndjson")
    archive = case / "disk" / "A"
    shutil.rmtree(case / "disk" / "state")  # even where nobody witnessed them
    for seq in lost:
        (archive / "ledger" / f"{seq:08d}.json").unlink()
    before = names(archive / "ledger")
    with pytest.raises((IntegrityError, StorageError)):
        Writer(archive)
    assert names(archive / "ledger") == before


def test_nothing_is_added_to_an_archive_that_was_rolled_back(case, nursery):
    nursery.run(case, "import", "more.ndjson")
    archive = case / "disk" / "A"
    (archive / "ledger" / "00000003.json").unlink()
    with pytest.raises(IntegrityError, match="not the one this machine wrote"):
        Writer(archive)


def test_litter_of_others_in_tmp_does_no_harm_and_only_files_go(case, nursery):
    tmp = case / "disk" / "A" / "tmp"
    (tmp / "folder").mkdir()
    (tmp / "half.parquet").write_bytes(b"PAR1")
    (tmp / "entry-00000003-x").write_bytes(b'{"files": {"add": [{"path": "../../../more.ndjson"')
    assert nursery.run(case, "import", "more.ndjson").code == 0
    assert names(tmp) == ["folder"]


@pytest.mark.parametrize(
    "path", ["../../more.ndjson", "ledger/00000001.json", "/etc/passwd", "events/../../../more.ndjson"]
)
def test_a_forged_staged_entry_removes_nothing(case, nursery, path):
    archive = case / "disk" / "A"
    target = (archive / path).resolve()
    data = target.read_bytes()
    forged = {"files": {"add": [{"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}]}}
    (archive / "tmp" / "entry-00000009-x").write_text(json.dumps(forged))
    assert nursery.run(case, "import", "more.ndjson").code == 0
    assert target.read_bytes() == data


def test_a_staged_entry_takes_nothing_with_it_that_is_not_what_it_names(case):
    archive = case / "disk" / "A"
    path = archive / "events" / "month=2024-09" / "stranger.parquet"
    path.write_bytes(b"1234")
    one = {"path": path.relative_to(archive).as_posix(), "bytes": 4, "sha256": hashlib.sha256(b"4321").hexdigest()}
    (archive / "tmp" / "entry-00000009-x").write_text(json.dumps({"files": {"add": [one]}}))
    with Writer(archive):
        assert path.read_bytes() == b"1234"
    assert {one.kind for one in verify(archive).findings} == {"file-unknown"}


def test_a_staged_entry_does_not_excuse_a_file_the_ledger_lists(case):
    archive = case / "disk" / "A"
    live = Ledger.read(archive).live()[0]
    one = {"path": live.path, "bytes": live.bytes, "sha256": live.sha256}
    (archive / "tmp" / "entry-00000009-x").write_text(json.dumps({"files": {"add": [one]}}))
    with Writer(archive):
        assert (archive / live.path).exists()
    assert not verify(archive).findings


@pytest.fixture
def closed(case):
    """Takes all permissions from a part of the archive, until the test ends."""
    taken = []

    def close(name):
        path = case / "disk" / "A" / name
        taken.append((path, path.stat().st_mode))
        path.chmod(0)

    yield close
    for path, mode in taken:
        path.chmod(mode)


UNREADABLE = {
    "ledger/00000001.json": (5, "entry-unreadable  ledger/00000001.json"),
    "ledger/00000002.json": (5, "entry-unreadable  ledger/00000002.json"),
    "ledger": (7, "ledger/00000001.json': Permission denied"),
    "": (7, "ledger/00000001.json': Permission denied"),
    "events": (5, "file-unreadable  events\n    expected  a folder that may be read\n"),
    "events/month=2024-09": (5, "file-unreadable  events/month=2024-09\n"),
    "rejects": (5, "file-unreadable  rejects\n"),
    "tmp": (0, "SHA-256"),
    "../state/kubedossier/witness": (7, "Cannot read"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_may_not_be_read_is_told_and_is_not_taken_for_gone(case, closed, name):
    closed(name)
    code, said = UNREADABLE[name]
    run = straced.cli(case, "verify", before=straced.unprivileged())
    assert run.code == code, run
    assert said in run.out + run.err
    assert "missing" not in run.out
    for argv in (("status",), ("gc", "--yes"), ("import", "more.ndjson")):
        run = straced.cli(case, *argv, before=straced.unprivileged())
        assert run.code in (0, 7), run


def flip(data):
    """A bit in every hundredth byte, in the pages and not in the footer."""
    return bytes(one ^ 0x40 if 100 < at < len(data) - 6000 and not at % 100 else one for at, one in enumerate(data))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-100], lambda data: b"", flip, None], ids=["cut", "empty", "flipped", "gone"]
)
def test_an_import_that_cannot_tell_what_is_new_adds_nothing(case, nursery, damage):
    archive = case / "disk" / "A"
    path = archive / Ledger.read(archive).live()[0].path
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    run = nursery.run(case, "import", "more.ndjson")
    assert (run.code, run.out) == (5, "")
    assert "gone or damaged" in run.err
    assert Ledger.read(archive).head[0] == 2


def test_a_file_system_without_hard_links_will_do_and_still_overwrites_nothing(tmp_path, monkeypatch):
    def link(source, target, **_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), source)

    monkeypatch.setattr(os, "link", link)
    with Writer(tmp_path / "A") as writer:
        assert writer.append("note", "one", {})["seq"] == 2
        (tmp_path / "A" / "ledger" / "00000003.json").write_text("taken")
        with pytest.raises(BusyError):
            writer.append("note", "two", {})
    assert (tmp_path / "A" / "ledger" / "00000003.json").read_text() == "taken"


def test_a_link_whose_result_was_lost_is_told_as_it_is(tmp_path, monkeypatch):
    """On a network file system an entry may be in place though the call failed: then nothing says it is not."""
    below = os.link

    def link(source, target, **more):
        below(source, target, **more)
        raise OSError(errno.EIO, os.strerror(errno.EIO), source)

    with Writer(tmp_path / "A") as writer:
        monkeypatch.setattr(os, "link", link)
        with pytest.raises(StorageError, match="was written, and the disk failed to make it durable"):
            writer.append("note", "one", {})
        with pytest.raises(StorageError, match="failed before"):
            writer.append("note", "two", {})
    assert not verify(tmp_path / "A").findings


def test_verify_names_what_only_a_staged_entry_knows(case, nursery):
    archive, name = case / "disk" / "A", "events/month=2024-09/stranger.parquet"
    (archive / name).write_bytes(b"1234")
    one = {"path": name, "bytes": 4, "sha256": hashlib.sha256(b"1234").hexdigest()}
    (archive / "tmp" / "entry-00000009-x").write_text(json.dumps({"files": {"add": [one]}}))
    run = nursery.run(case, "verify")
    assert (run.code, f"warning: '{name}' is not in the ledger" in run.err) == (0, True)
    assert nursery.run(case, "import", "more.ndjson").code == 0
    assert not (archive / name).exists()
    assert "warning" not in nursery.run(case, "verify").err


@pytest.mark.parametrize("name", ["s3:x", "http:", 'it\'s "odd" *?[x]', "a=b\n%s", "x" * 255])
def test_an_archive_may_have_any_name(tmp_path, nursery, name):
    write_input(tmp_path / "more.ndjson", 0, 20)
    write_input(tmp_path / "other.ndjson", 10, 30)

    def call(*argv):
        return nursery.run(tmp_path, "--archive", name, *argv)

    assert call("import", "more.ndjson").code == 4
    assert call("import", "other.ndjson").out.startswith("21 received: 10 new, 10 duplicate")
    assert call("compact").code == call("gc", "--yes").code == call("status").code == 0
    assert call("query", "--sql", "select count(*) from records", "-f", "csv").out.split() == ["count_star()", "30"]
    assert call("report", "--period", "2024-09", "-f", "json", "-o", "report.json").code == 0
    assert call("bundle", "2024-09", "-o", "bundle.zip").code == 0
    assert call("export", "ocsf", "-o", "events.ndjson").code == 0
    deep = call("verify", "--deep")
    assert deep.code == 0, deep
