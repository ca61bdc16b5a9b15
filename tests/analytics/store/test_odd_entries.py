"""What stands in an entry's place need not be a file, nor JSON, nor end: it is told, and nobody waits or runs out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.store import ledger, witness
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.ledger import LONGEST_ENTRY_BYTES, Ledger, entry_line, entry_path
from kubedossier.analytics.store.plain import NotPlainError, open_plain, read_plain
from kubedossier.analytics.store.verify import verify

DEEP = b"[" * 200_000 + b"]" * 200_000 + b"\n"


@pytest.fixture
def root(archive_path):
    """An archive with its genesis alone."""
    with Writer(archive_path):
        pass
    return archive_path


def endless(path):
    with path.open("wb") as file:
        file.truncate(LONGEST_ENTRY_BYTES * 1000)


ODD = {
    "a pipe": (os.mkfifo, "no plain file"),
    "a folder": (os.mkdir, "no plain file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no plain file"),
    "a file of 64 GB": (endless, "a file of more than 67,108,864 bytes"),
    "brackets without end": (lambda path: path.write_bytes(DEEP), ""),
    "nothing": (lambda path: path.write_bytes(b""), ""),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("seq", [1, 2])
def test_what_is_no_entry_is_a_finding_for_verify_and_an_error_for_others(root, name, seq):
    put, said = ODD[name]
    entry_path(root, seq).unlink(missing_ok=True)
    put(entry_path(root, seq))
    # Each in a process of its own, which may be ended should it wait for ever.
    for argv, code in ((("verify", "--quick"), 5), (("status",), 5), (("compact",), 5)):
        command = (sys.executable, "-m", "kubedossier", "--archive", str(root), *argv)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, (argv, done)
        assert "Unexpected" not in done.stderr
    (finding,) = [one for one in verify(root, level="quick").findings if one.kind == "entry-unreadable"]
    assert said in finding.found


def test_a_pipe_in_place_of_the_witness_is_no_witness_and_nobody_waits(root):
    path = witness.path_of(Ledger.read(root).archive_id)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StorageError, match="no plain file"):
        verify(root)


@pytest.mark.parametrize("place", ["../../../elsewhere", "/tmp/elsewhere", "a\0b", "ä", "a\nb", "A" * 36])
def test_an_archive_id_never_becomes_a_path_or_a_line(root, place):
    entry = json.loads(entry_path(root, 1).read_bytes())
    entry_path(root, 1).write_bytes(entry_line(entry | {"archive_id": place}))
    assert "entry-unreadable" in {one.kind for one in verify(root).findings}
    with pytest.raises(IntegrityError, match="archive_id"):
        Writer(root)


def test_half_a_character_in_an_entry_is_a_finding_and_no_crash(root):
    line = entry_path(root, 1).read_bytes()
    name = b'"%s"' % Ledger.read(root).archive_id.encode()
    entry_path(root, 1).write_bytes(line.replace(name, b'"\\ud800"'))
    assert "entry-unreadable" in {one.kind for one in verify(root).findings}
    with pytest.raises(IntegrityError, match="not an entry"):
        Ledger.read(root)


def test_a_key_that_stands_twice_is_a_finding_since_two_readers_might_read_two_things(root):
    line = entry_path(root, 1).read_bytes()
    entry_path(root, 1).write_bytes(line.replace(b'"type":', b'"type":"genesis","type":'))
    (finding,) = [one for one in verify(root).findings if one.kind == "entry-unreadable"]
    assert finding.found == "two of 'type'"


def test_only_a_genesis_begins_a_ledger(root):
    entry = json.loads(entry_path(root, 1).read_bytes())
    del entry["archive_id"]
    entry_path(root, 1).write_bytes(entry_line(entry | {"type": "note"}))
    assert "entry-unreadable" in {one.kind for one in verify(root).findings}
    with pytest.raises(IntegrityError, match="genesis"):
        Ledger.read(root)


def test_digits_of_other_scripts_number_no_entry(root):
    (root / "ledger" / "٠٠٠٠٠٠٠٢.json").write_text("x")
    assert {one.kind for one in verify(root, level="quick").findings} == {"file-unknown"}
    with Writer(root) as writer:
        assert writer.ledger.head[0] == 1


def test_where_one_entry_alone_is_missing_nobody_takes_the_ledger_for_shorter(root):
    for number in range(3):
        with Writer(root) as writer:
            writer.append("note", f"n{number}", {})
    whole = Ledger.read(root)
    entry_path(root, 3).unlink()
    with pytest.raises(IntegrityError, match="entry 3 is missing"):
        Ledger.read(root)
    entry_path(root, 4).unlink()
    assert Ledger.read(root).head == whole.up_to(2).head


@pytest.mark.parametrize("lost", [(2, 3), (1, 2, 3, 4)])
def test_nothing_is_added_where_several_entries_or_all_of_them_are_missing(root, lost):
    with Writer(root) as writer:
        for number in range(3):
            writer.append("note", f"n{number}", {})
    witness.path_of(writer.ledger.archive_id).unlink()
    (root / "events" / "month=2026-10").mkdir()
    (root / "events" / "month=2026-10" / "x.parquet").write_bytes(b"x")
    for seq in lost:
        entry_path(root, seq).unlink()
    with pytest.raises(IntegrityError, match="is missing in"):
        Writer(root)


def test_a_writer_at_work_is_not_taken_for_a_missing_entry(root, monkeypatch):
    with Writer(root) as writer:
        for number in range(3):
            writer.append("note", f"n{number}", {})
    hidden = {3: 1}  # once, as for who comes between

    def entry_bytes(root, seq, below=ledger.entry_bytes):
        if hidden.pop(seq, 0):
            return None
        return below(root, seq)

    monkeypatch.setattr(ledger, "entry_bytes", entry_bytes)
    assert len(Ledger.read(root).entries) == 4


def test_two_entries_of_one_id_and_files_added_twice_are_findings(root):
    file = {
        "path": "events/month=2026-10/x.parquet",
        "role": "events",
        "month": "2026-10",
        "sha256": "0" * 64,
        "bytes": 1,
        "rows": 1,
        "min_time": None,
        "max_time": None,
        "incomplete": 0,
    }
    with Writer(root) as writer:
        for _ in range(2):
            writer.append("note", "the same", {"files": {"add": [file]}})
    kinds = {one.kind for one in verify(root, level="quick").findings}
    assert kinds == {"entry-repeated", "file-twice", "file-missing"}


@pytest.mark.parametrize("place", ["tmp/entry-00000002-x", "events/pipe", "pipe"])
def test_nothing_is_written_where_a_pipe_lies(root, place):
    os.mkfifo(root / place)
    with pytest.raises(IntegrityError, match="neither a file nor a folder"):
        Writer(root)


@pytest.mark.parametrize("put", [os.mkdir, lambda path: path.write_bytes(DEEP)])
def test_litter_with_the_name_of_a_staged_entry_stops_nobody(root, put):
    put(root / "tmp" / "entry-00000002-x")
    (root / "events" / "stranger").write_text("x")
    assert {one.kind for one in verify(root).findings} == {"file-unknown"}
    with Writer(root) as writer:
        assert writer.ledger.head[0] == 1


def test_what_was_published_and_given_up_is_not_moved_by_a_later_entry(root):
    with Writer(root) as writer:
        with writer.stage("given-up") as file:
            file.write(b"x")
        writer.publish("given-up", "events/month=2026-10/given-up.parquet")
        writer.append("note", "another", {})
    assert verify(root).findings == ()
    assert list((root / "events").rglob("*.parquet")) == []


def test_no_entry_is_written_that_no_reader_takes():
    with pytest.raises(StorageError, match="would be"):
        entry_line({"reason": "x" * LONGEST_ENTRY_BYTES})


def test_a_file_is_read_up_to_what_was_asked_for_and_no_further(tmp_path):
    (tmp_path / "file").write_bytes(b"1234")
    assert read_plain(tmp_path / "file", 4) == b"1234"
    with pytest.raises(NotPlainError, match="more than 3 bytes"):
        read_plain(tmp_path / "file", 3)
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "absent")
