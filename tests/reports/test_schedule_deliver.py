"""Copies of a document: all of them and complete, or none; never through a link."""

from __future__ import annotations

import os
import stat

import pytest

from kubedossier.analytics.errors import StorageError
from kubedossier.reports import deliver
from kubedossier.reports.deliver import placed

NAME = "monthly-2026-10.pdf"


@pytest.fixture
def folders(tmp_path):
    found = (tmp_path / "a", tmp_path / "b")
    for one in found:
        one.mkdir()
    return found


def held(*folders):
    return {f"{one.parent.name}/{one.name}": one.read_bytes() for folder in folders for one in folder.iterdir()}


def test_copies_stay_where_the_block_ends_well(folders):
    with placed({NAME: b"new"}, folders) as paths:
        assert [one.read_bytes() for one in paths] == [b"new", b"new"]
    assert held(*folders) == {f"a/{NAME}": b"new", f"b/{NAME}": b"new"}
    assert stat.S_IMODE((folders[0] / NAME).stat().st_mode) & 0o133 == 0


def test_several_documents_are_all_there_or_none(folders, tmp_path):
    documents = {NAME: b"new", "monthly-2026-10.html": b"page"}
    with placed(documents, folders) as paths:
        assert [one.name for one in paths] == [*documents, *documents]
    (folders[0] / NAME).write_bytes(b"old")
    (folders[1] / "monthly-2026-10.html").unlink()
    (folders[1] / "monthly-2026-10.html").mkdir()
    with pytest.raises(StorageError, match="no file"), placed(documents, folders):
        pass
    assert (folders[0] / NAME).read_bytes() == b"old"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_where_the_block_fails_all_is_as_before(folders, error):
    (folders[0] / NAME).write_bytes(b"old")
    with pytest.raises(error), placed({NAME: b"new"}, folders):
        raise error
    assert held(*folders) == {f"a/{NAME}": b"old"}


def test_what_had_the_name_is_replaced(folders):
    (folders[1] / NAME).write_bytes(b"old")
    with placed({NAME: b"new"}, folders):
        pass
    assert held(*folders) == {f"a/{NAME}": b"new", f"b/{NAME}": b"new"}


def test_a_folder_named_twice_has_one_copy(folders):
    with placed({NAME: b"new"}, (folders[0], folders[0])) as paths:
        assert len(paths) == 1


def test_nothing_is_written_through_a_link(folders, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"another's")
    (folders[1] / NAME).symlink_to(other)
    with pytest.raises(StorageError, match="symbolic link"), placed({NAME: b"new"}, folders):
        pass
    assert other.read_bytes() == b"another's"
    assert held(folders[0]) == {}
    assert [one.name for one in folders[1].iterdir()] == [NAME]


def test_a_folder_that_is_a_link_is_refused(folders, tmp_path):
    (tmp_path / "link").symlink_to(folders[1])
    with pytest.raises(StorageError, match="symbolic link"), placed({NAME: b"new"}, (folders[0], tmp_path / "link")):
        pass
    assert held(*folders) == {}


def test_a_folder_has_to_be_there(folders, tmp_path):
    with pytest.raises(StorageError, match="no folder"), placed({NAME: b"new"}, (*folders, tmp_path / "unmounted")):
        pass
    assert held(*folders) == {}
    assert not (tmp_path / "unmounted").exists()


def test_a_folder_that_has_the_name_is_refused(folders):
    (folders[1] / NAME).mkdir()
    with pytest.raises(StorageError, match="no file"), placed({NAME: b"new"}, folders):
        pass
    assert held(folders[0]) == {}


def test_what_a_killed_process_left_is_removed_once_it_is_old(folders, monkeypatch):
    left = {f".{NAME}.0123abcd.new", f".{NAME}.0123abcd.old"}
    others = {f".{NAME}.notes.new", "other.pdf"}
    for name in left | others:
        (folders[0] / name).write_bytes(b"x")
    with placed({NAME: b"new"}, folders):
        pass
    assert {one.name for one in folders[0].iterdir()} == left | others | {NAME}
    monkeypatch.setattr(deliver, "LEFT_S", -1)
    with placed({NAME: b"new"}, folders):
        pass
    assert {one.name for one in folders[0].iterdir()} == others | {NAME}


@pytest.mark.parametrize("call", ["fsync", "replace", "link", "write"])
def test_a_disk_that_fails_leaves_all_as_before(folders, monkeypatch, call):
    (folders[1] / NAME).write_bytes(b"old")
    if call == "write":
        monkeypatch.setattr(os, "fdopen", _failing(os.fdopen, 2))
    else:
        monkeypatch.setattr(os, call, _failing(getattr(os, call), 1 if call == "link" else 2))
    with pytest.raises(StorageError, match="No space left"), placed({NAME: b"new"}, folders):
        pass
    monkeypatch.undo()
    assert held(*folders) == {f"b/{NAME}": b"old"}


def _failing(real, at):
    calls = []

    def call(*arguments, **named):
        calls.append(arguments)
        if len(calls) == at:
            raise OSError(28, os.strerror(28))
        return real(*arguments, **named)

    return call
