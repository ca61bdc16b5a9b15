"""The PDF is set by a child that is bound in memory and time; whatever becomes of it, nothing is left but an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from kubedossier.analytics.errors import KubedossierError, StorageError, UsageError
from kubedossier.reports import press, render
from kubedossier.reports.confinement import Limits

SHORT = Limits(seconds=600.0)  # a machine may be slow, and only what hangs lasts as long
HANGING = """
import os, signal
from kubedossier.reports import confinement

def hang(job):
    os.write(os.open({fifo!r}, os.O_WRONLY), b"here")
    signal.pause()

confinement.child(hang)
"""
RAISING = """
from kubedossier.analytics import errors
from kubedossier.reports import confinement
def fail(job):
    raise {raised}
confinement.child(fail)
"""
PARENT = """
from types import SimpleNamespace
from kubedossier.reports import press
press.PROGRAM = ("-c", {program!r})
press.pdf_bytes(SimpleNamespace(own=()))
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Where temporary files go; nothing may be left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.glob("kubedossier-child-*")) == []


@pytest.fixture
def child(monkeypatch):
    """Have another program set the report."""

    def take(program: str) -> None:
        monkeypatch.setattr(press, "PROGRAM", ("-c", f"import os, signal, sys\n{program}"))

    return take


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def failure(report, limits: Limits = SHORT) -> KubedossierError:
    with pytest.raises(KubedossierError, match="The report was not made") as caught:
        press.pdf_bytes(report, limits=limits)
    assert caught.value.hint
    return caught.value


def test_the_child_makes_the_bytes_that_this_process_would_make(quiet_report):
    assert press.pdf_bytes(quiet_report, paper="letter") == render.pdf_bytes(quiet_report, paper="letter")


def test_a_child_that_is_killed_leaves_an_error(quiet_report, child):
    child("os.kill(os.getpid(), signal.SIGKILL)")
    assert "ended by SIGKILL" in failure(quiet_report).message


def test_a_child_that_hangs_is_ended(quiet_report, child):
    child("signal.pause()")
    error = failure(quiet_report, Limits(seconds=0.2))
    assert "more than 0 seconds" in error.message
    assert "shorter period" in error.hint


def test_a_child_that_uses_up_its_processor_time_is_ended(quiet_report, child):
    child("import resource; resource.setrlimit(resource.RLIMIT_CPU, (0, 5)); [0 for _ in iter(int, 1)]")
    assert "more than 600 seconds" in failure(quiet_report).message


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not keep the limit of address space")
def test_a_child_without_memory_leaves_an_error(quiet_report):
    error = failure(quiet_report, Limits(seconds=600.0, memory_bytes=100 * 1024 * 1024))
    assert "memory" in error.message
    assert "shorter period" in error.hint


@pytest.mark.parametrize(
    "program",
    [
        "print('%PDF-1.7 garbage %%EOF')",
        "open(sys.argv[1] + '/done', 'wb').write(b'garbage')",
        "open(sys.argv[1] + '/done', 'wb').write(b'%PDF-1.7 and no end')",
    ],
)
def test_what_is_no_whole_pdf_is_not_given_back(quiet_report, child, program):
    child(program)
    failure(quiet_report)


@pytest.mark.parametrize("told", ["", "no json", "[]", '{"memory": false}'])
def test_a_child_that_fails_without_saying_why_leaves_an_error_with_its_last_words(quiet_report, child, told):
    child(f"open(sys.argv[1] + '/failed.json', 'w').write({told!r}); sys.exit('last words')")
    error = failure(quiet_report)
    assert "ended with 1" in error.message
    assert "last words" in error.__cause__.__notes__[0]


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        ("errors.KubedossierError('no library', hint='install it')", KubedossierError, "no library"),
        ("errors.UsageError('line 3', hint='mend it')", UsageError, "line 3"),
        ("OSError(28, 'No space left on device')", StorageError, "No space left on device"),
        ("MemoryError", KubedossierError, "more memory than the 1,024 MiB it may have"),
    ],
)
def test_the_reason_of_a_failure_is_told_as_if_it_had_happened_here(quiet_report, child, raised, kind, said):
    child(RAISING.format(raised=raised))
    with pytest.raises(kind, match=said) as caught:
        press.pdf_bytes(quiet_report)
    assert type(caught.value) is kind
    assert caught.value.hint


def test_no_room_for_temporary_files_is_an_error_of_the_storage(quiet_report, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="No temporary files") as caught:
        press.pdf_bytes(quiet_report)
    assert "TMPDIR" in caught.value.hint


def test_the_child_gets_no_secret_and_no_locale_of_its_parent(quiet_report, child, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBEDOSSIER_PASSWORD", "of-nobody-else")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    child(f"open({str(tmp_path / 'seen')!r}, 'w').write(repr(dict(os.environ)))")
    failure(quiet_report)
    seen = (tmp_path / "seen").read_text()
    assert "'LC_ALL': 'C.UTF-8'" in seen
    assert "of-nobody-else" not in seen


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # as it is being started
def test_ctrl_c_ends_the_child_as_well(quiet_report, child, fifo):
    child(
        HANGING.format(fifo=str(fifo)).replace("signal.pause()", "os.kill(os.getppid(), signal.SIGINT); signal.pause()")
    )
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            press.pdf_bytes(quiet_report, limits=SHORT)
    finally:
        signal.signal(signal.SIGINT, before)
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as hanging:
        assert hanging.read() == b"here"  # to its end, which comes when the last writer has gone


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_whose_parent_was_ended_clears_up_and_ends(fifo, temporary, number):
    program = HANGING.format(fifo=str(fifo))
    environment = os.environ | {"TMPDIR": str(temporary)}
    command = [sys.executable, "-c", PARENT.format(program=program)]
    with subprocess.Popen(command, env=environment) as parent, fifo.open("rb") as hanging:
        assert hanging.read(4) == b"here"
        assert len(list(temporary.iterdir())) == 1
        parent.send_signal(number)
        assert hanging.read() == b""  # which comes when the last writer has gone
    assert parent.returncode == -number
