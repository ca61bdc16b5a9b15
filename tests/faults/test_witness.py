"""The witness file: what a crash, a full disk or another archive does to it never raises a false alarm."""

from __future__ import annotations

import errno
import os

import pytest

from kubedossier.analytics.store import witness
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import verify

ID, OTHER = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
AT = "2026-10-01T00:00:00.000000Z"


def hash_of(seq):
    return f"{seq:064x}"


def test_a_line_cut_short_anywhere_is_closed_and_forgotten_and_the_others_stand():
    for seq in range(11, 14):
        witness.append(ID, seq, hash_of(seq), AT)
    whole = witness.path_of(ID).read_bytes()
    last = whole[: whole.rindex(b"\n", 0, -1) + 1]
    for cut in range(len(last), len(whole)):
        witness.path_of(ID).write_bytes(whole[:cut])
        sound = {11, 12} | ({13} if cut > len(whole) - 40 else set())
        assert {11, 12} <= witness.heads(ID).keys() <= {11, 12, 13}
        witness.append(ID, 14, hash_of(14), AT)
        found = witness.heads(ID)
        assert found.keys() - {13} == {11, 12, 14}
        assert all(digest == hash_of(seq) for seq, digest in found.items()), (cut, sound)


def test_zeroes_and_noise_from_a_power_loss_are_no_heads():
    witness.append(ID, 1, hash_of(1), AT)
    with witness.path_of(ID).open("ab") as file:
        file.write(b"\0" * 60 + b"\xff\xfe garbage\n2 zz " + AT.encode())
    witness.append(ID, 3, hash_of(3), AT)
    assert witness.heads(ID) == {1: hash_of(1), 3: hash_of(3)}


def test_one_file_may_witness_many_archives(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBEDOSSIER_WITNESS", str(tmp_path / "heads"))
    witness.append(ID, 1, hash_of(1), AT)
    witness.append(OTHER, 1, hash_of(2), AT)
    assert witness.heads(ID) == {1: hash_of(1)}
    assert witness.heads(OTHER) == {1: hash_of(2)}


def test_a_folder_that_was_named_gets_a_file_for_each_archive(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBEDOSSIER_WITNESS", str(tmp_path))
    witness.append(ID, 1, hash_of(1), AT)
    assert [one.name for one in tmp_path.iterdir()] == [f"{ID}.jsonl"]


def test_a_short_write_is_an_error_and_no_head(monkeypatch):
    witness.append(ID, 1, hash_of(1), AT)
    below = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: below(descriptor, data[:50]))
    with pytest.raises(OSError) as caught:
        witness.append(ID, 2, hash_of(2), AT)
    assert caught.value.errno == errno.ENOSPC
    assert witness.heads(ID) == {1: hash_of(1)}


def test_an_archive_whose_head_could_not_be_witnessed_says_so_and_is_witnessed_by_the_next_writer(
    archive_path, monkeypatch
):
    with monkeypatch.context() as broken:
        broken.setattr(witness, "fsync", _fails)
        with Writer(archive_path) as writer:
            assert "Input/output error" in writer.unwitnessed
        witness.path_of(writer.ledger.archive_id).unlink()
    with Writer(archive_path) as writer:
        assert not writer.unwitnessed
    ledger = Ledger.read(archive_path)
    assert witness.heads(ledger.archive_id) == {1: ledger.head[1]}


def _fails(_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_link_in_place_of_the_witness_is_not_followed(archive_path, tmp_path):
    with Writer(archive_path) as writer:
        path = witness.path_of(writer.ledger.archive_id)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with Writer(archive_path) as writer:
        assert writer.unwitnessed
    assert not (tmp_path / "elsewhere").exists()


def test_a_state_folder_that_is_reached_through_a_link_is_one(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").symlink_to("elsewhere")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    witness.append(ID, 1, hash_of(1), AT)
    monkeypatch.setenv("KUBEDOSSIER_WITNESS", str(tmp_path / "state" / "heads"))
    witness.append(OTHER, 1, hash_of(1), AT)
    assert witness.heads(OTHER) == {1: hash_of(1)}


def test_an_archive_without_a_witness_verifies_and_says_that_there_is_none(archive_path):
    with Writer(archive_path) as writer:
        witness.path_of(writer.ledger.archive_id).unlink()
    verdict = verify(archive_path)
    assert (verdict.findings, verdict.witnessed) == ((), 0)


def test_of_two_heads_of_one_entry_the_first_counts_unless_a_rollback_was_accepted():
    witness.append(ID, 1, hash_of(1), AT)
    witness.append(ID, 2, hash_of(2), AT)
    witness.append(ID, 2, hash_of(3), AT)
    assert witness.heads(ID) == {1: hash_of(1), 2: hash_of(2)}
    witness.append(ID, 1, hash_of(1), AT, back=True)
    witness.append(ID, 2, hash_of(3), AT)
    assert witness.heads(ID) == {1: hash_of(1), 2: hash_of(3)}
