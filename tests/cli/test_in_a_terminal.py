"""What a terminal of 80 columns shows: no word is torn, and nothing is wider than the terminal but what is copied."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kubedossier.cli.output import wrapped

LONG = "a-directory-with-a-rather-long-name/of-the-compliance-department/in-the-year-2026/and-so-on/dossier"


def shown(*arguments: str, folder: Path, columns: int = 80) -> list[str]:
    """The lines that a command writes to a terminal of that width, without colours."""
    reader, writer = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm", "XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, "-m", "kubedossier", *arguments]
    with subprocess.Popen(command, stdin=writer, stdout=writer, stderr=writer, env=environment, cwd=folder) as running:
        os.close(writer)
        told = b""
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # Linux ends a terminal so
                break
            if not part:
                break
            told += part
        running.wait()
    os.close(reader)
    return re.sub(r"\x1b\[[0-9;]*m", "", told.decode()).splitlines()


@pytest.fixture
def folder(archive_path, tmp_path):
    """A folder with an archive of one event behind a long path."""
    from kubedossier.analytics.ingest.intake import Intake
    from kubedossier.analytics.ingest.row import Record

    root = tmp_path / LONG
    root.parent.mkdir(parents=True)
    event = b'{"time":"2026-10-05T10:00:00Z","verb":"get","user":{"username":"ann"},"cluster":"one"}'
    with Intake(root, kind="import") as intake:
        intake.add([Record(event, "console-json")])
        intake.commit({})
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--archive", "nowhere", "status"),
        ("--archive", LONG, "doctor", "--offline"),
        ("--archive", LONG, "status"),
        ("--archive", LONG, "finding", "list", "--period", "2026-10"),
        ("finding", "rules"),
        ("techniques",),
        ("schedule", "list"),
    ],
    ids=lambda words: " ".join(words).replace(LONG, "...") or "nothing",
)
def test_nothing_is_wider_than_the_terminal(arguments, folder):
    lines = shown(*arguments, folder=folder)
    assert lines
    assert [line for line in lines if len(line) > 80 and not line.startswith("Archive ")] == []


def test_narration_ends_its_lines_between_words(folder):
    lines = shown("--archive", "nowhere", "status", folder=folder, columns=44)
    assert " ".join(lines) == (
        "error: There is no archive at 'nowhere' 'kubedossier snapshot' or 'kubedossier import' makes one; --archive "
        "names another place."
    )


def test_a_command_that_is_missing_is_answered_with_the_help_and_not_with_an_error(folder):
    lines = shown(folder=folder)
    assert sum("Usage:" in line for line in lines) == 1
    assert not [line for line in lines if line.startswith("error")]


def test_a_long_word_stays_whole_unless_it_may_break_after_a_slash():
    assert list(wrapped("see 0123456789abcdef now", 10)) == ["see", "0123456789abcdef", "now"]
    assert list(wrapped("'/tmp/some/where/else' is", 12, breaking=True)) == ["'/tmp/some/", "where/else'", "is"]
    assert list(wrapped("abcdefghijkl", 5, breaking=True)) == ["abcde", "fghij", "kl"]
