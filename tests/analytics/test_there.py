"""Whether something is there: what the system does not tell is an error on every Python."""

from __future__ import annotations

import os

import pytest

from kubedossier.analytics.there import is_file, is_folder, is_there


def test_what_is_there_is_told_apart(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "to-folder").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to("nothing")
    (tmp_path / "round").symlink_to("round")
    os.mkfifo(tmp_path / "pipe")
    told = {
        name: (is_there(tmp_path / name), is_folder(tmp_path / name), is_file(tmp_path / name))
        for name in ("", "file", "to-file", "to-folder", "pipe", "broken", "round", "none", "file/x", "a\0b")
    }
    folder, file, nothing = (True, True, False), (True, False, True), (False, False, False)
    assert told == {
        "": folder,
        "file": file,
        "to-file": file,
        "to-folder": folder,
        "pipe": (True, False, False),
        **dict.fromkeys(("broken", "round", "none", "file/x", "a\0b"), nothing),
    }


@pytest.mark.parametrize("asked", [is_there, is_folder, is_file])
def test_what_the_system_does_not_tell_is_an_error(tmp_path, asked):
    with pytest.raises(OSError, match="File name too long"):
        asked(tmp_path / ("x" * 300))
