"""stderr and exit codes: every error becomes one plain message, whatever it was."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys

import click
import pytest

from kubedossier.analytics import errors
from kubedossier.analytics.errors import EXIT_CODES, KubedossierError, SourceError
from kubedossier.cli import diagnostics


@pytest.fixture(autouse=True)
def _quiet_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["kubedossier"])
    yield
    diagnostics.configure("text", 0)


def failing(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("kubedossier", callback=fail)


def every_error() -> list[type[KubedossierError]]:
    """The kinds of errors; what is derived from them elsewhere shares its parent's exit code."""
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, KubedossierError)]


@pytest.mark.parametrize("cls", every_error())
def test_every_error_ends_with_its_own_exit_code_its_message_and_its_hint(cls, capsys):
    code = diagnostics.run(failing(cls("It broke at 'x'", hint="Mend x.")))
    output = capsys.readouterr()
    assert code == cls.exit_code
    assert output.err == "error: It broke at 'x'\nMend x.\n"
    assert output.out == ""


def test_exit_codes_are_distinct_and_each_has_a_meaning():
    codes = [cls.exit_code for cls in every_error()]
    assert len(codes) == len(set(codes))
    assert set(codes) | {0, 130} == set(EXIT_CODES)
    assert all(EXIT_CODES.values())


def test_an_unforeseen_error_is_one_plain_sentence_without_a_traceback(capsys):
    code = diagnostics.run(failing(ZeroDivisionError("division by zero")))
    error = capsys.readouterr().err
    assert code == 1
    assert error.startswith("error: Unexpected ZeroDivisionError: division by zero\n")
    assert "Traceback" not in error


def test_a_traceback_is_shown_when_asked_for(capsys):
    diagnostics.configure("text", 2)
    diagnostics.run(failing(ZeroDivisionError()))
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_ends_with_130(capsys):
    assert diagnostics.run(failing(KeyboardInterrupt())) == 130
    assert "Interrupted" in capsys.readouterr().err


def test_a_usage_error_shows_the_usage_and_names_the_help(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["kubedossier", "--nonsense"])
    command = click.Command("kubedossier", callback=lambda: None)
    assert diagnostics.run(command) == 2
    error = capsys.readouterr().err
    assert "Usage: " in error
    assert "--nonsense" in error
    assert "--help" in error


def test_a_command_that_returns_a_number_ends_with_it():
    assert diagnostics.run(click.Command("kubedossier", callback=lambda: 4)) == 4
    assert diagnostics.run(click.Command("kubedossier", callback=lambda: None)) == 0


def test_untrusted_text_reaches_the_terminal_only_in_visible_form(capsys):
    diagnostics.warn("user '\x1b[31mroot\u202e'")
    error = capsys.readouterr().err
    assert "\x1b" not in error
    assert error == "warning: user '[U+001B][31mroot[U+202E]'\n"


def test_in_json_each_message_is_one_line_with_its_fields(capsys):
    diagnostics.configure("json", 0)
    diagnostics.say("two\nlines", rows=3)
    diagnostics.run(failing(SourceError("No answer", hint="Look there.")))
    told, failed = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (told["level"], told["message"], told["rows"]) == ("info", "two\nlines", 3)
    assert (failed["level"], failed["exit_code"], failed["hint"]) == ("error", 6, "Look there.")


def test_details_are_told_only_when_asked_for(capsys):
    diagnostics.detail("much")
    assert capsys.readouterr().err == ""
    diagnostics.configure("text", 1)
    diagnostics.detail("much")
    assert "much" in capsys.readouterr().err


def test_sigterm_ends_a_command_as_ctrl_c_does(capsys):
    before = signal.getsignal(signal.SIGTERM)
    code = diagnostics.run(click.Command("kubedossier", callback=lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert (code, capsys.readouterr().err.strip().split(";")[0]) == (130, "error: Interrupted")
    assert signal.getsignal(signal.SIGTERM) is before


def ended(script: str, archive, **more) -> int:
    """The exit code of ``$KD``, the program, in a shell script, where its streams can be taken away."""
    program = f"{shlex.quote(sys.executable)} -m kubedossier --archive {shlex.quote(str(archive))}"
    done = subprocess.run(["sh", "-c", script], env={**os.environ, "KD": program}, check=False, timeout=120, **more)
    return done.returncode


@pytest.fixture
def events(tmp_path):
    """A file with one event and one reject."""
    path = tmp_path / "events.ndjson"
    path.write_text('{"time": "2026-10-01T00:00:00Z", "verb": "get"}\noops\n')
    return path


@pytest.mark.parametrize("taken", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_command_without_its_streams_does_the_same_and_ends_with_the_same_code(events, archive_path, taken):
    assert ended(f'exec $KD import "{events}" {taken}', archive_path, capture_output=True) == 4
    assert ended(f"exec $KD verify {taken}", archive_path, capture_output=True) == 0
    assert ended(f"exec $KD import - {taken}", archive_path, capture_output=True, stdin=subprocess.DEVNULL) == 0
    with next(archive_path.rglob("*.parquet")).open("ab") as file:
        file.write(b"x")
    assert ended(f"exec $KD verify {taken}", archive_path, capture_output=True) == 5


@pytest.mark.parametrize("streams", ["", "2>&1"])
def test_a_reader_that_went_away_does_not_change_the_exit_code(events, archive_path, tmp_path, streams):
    def code_of(command: str) -> str:
        # The reader is gone before the first word is written.
        code = tmp_path / "code"
        ended(f'{{ sleep 0.2; $KD {command} {streams}; echo $? > "{code}"; }} | true', archive_path)
        return code.read_text().strip()

    assert code_of(f'import "{events}"') == "4"
    assert code_of("query top_users") == "0"
    with next(archive_path.rglob("*.parquet")).open("ab") as file:
        file.write(b"x")
    assert code_of("verify") == "5"
