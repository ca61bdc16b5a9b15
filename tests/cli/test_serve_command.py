"""``kubedossier serve`` from the command line."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from kubedossier.analytics.errors import StorageError, UsageError
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.serve.users import read_users
from kubedossier.cli import cli

EVENT = b'{"time": "2026-10-01T00:00:00Z" ,"verb":"get"}'


@pytest.fixture
def archive(archive_path):
    """An archive of one event."""
    with Intake(archive_path, kind="import") as intake:
        intake.add([Record(EVENT, "console-json")])
        intake.commit({})
    return archive_path


@contextmanager
def serving(archive, *arguments, **environ):
    """The command at work; gives the process and the line it printed."""
    line = [sys.executable, "-m", "kubedossier", "--archive", str(archive), "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        line, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def own_authority() -> str:
    return str(Path(os.environ["XDG_STATE_HOME"], "kubedossier", "tls", "ca.pem"))


def fetch(url: str, cafile: str | None) -> bytes:
    context = ssl.create_default_context(cafile=cafile) if cafile else None
    handlers = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers).open(url + "/api/v1/audits/kubernetes", timeout=600).read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_over_tls_with_a_certificate_of_its_own_until_it_is_stopped(archive, number):
    with serving(archive) as (process, url):
        assert url.startswith("https://127.0.0.1:")
        assert fetch(url, own_authority()) == b"[" + EVENT + b"]"
        process.send_signal(number)
        _, narration = process.communicate(timeout=600)
    assert process.returncode == 0
    assert own_authority() in narration
    assert "No login is set" in narration


def test_with_a_login_nobody_reads_without_it(archive):
    login = {"KUBEDOSSIER_SERVE_USERNAME": "reader", "KUBEDOSSIER_SERVE_PASSWORD": "geheim"}
    with serving(archive, **login) as (_, url):
        with pytest.raises(urllib.error.HTTPError) as error:
            fetch(url, own_authority())
        with error.value:
            assert (error.value.code, json.loads(error.value.read())) == (401, {"err": "a login is needed"})


def test_plain_http_is_there_for_loopback(archive):
    with serving(archive, "--plain-http") as (_, url):
        assert url.startswith("http://127.0.0.1:")
        assert fetch(url, None) == b"[" + EVENT + b"]"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "console.example"])
def test_beyond_loopback_it_wants_a_login(archive, host):
    result = CliRunner().invoke(cli, ["--archive", str(archive), "serve", "--host", host])
    assert isinstance(result.exception, UsageError)
    assert "KUBEDOSSIER_SERVE_USERNAME" in result.exception.hint


def test_beyond_loopback_it_wants_tls(archive, monkeypatch):
    monkeypatch.setenv("KUBEDOSSIER_SERVE_USERNAME", "reader")
    monkeypatch.setenv("KUBEDOSSIER_SERVE_PASSWORD", "geheim")
    result = CliRunner().invoke(cli, ["--archive", str(archive), "serve", "--host", "0.0.0.0", "--plain-http"])
    assert isinstance(result.exception, UsageError)


@pytest.mark.parametrize("name", ["USERNAME", "PASSWORD"])
def test_half_a_login_is_none(archive, monkeypatch, name):
    monkeypatch.setenv(f"KUBEDOSSIER_SERVE_{name}", "x")
    result = CliRunner().invoke(cli, ["--archive", str(archive), "serve"])
    assert isinstance(result.exception, UsageError)


def test_a_certificate_needs_its_key(archive, tmp_path):
    (tmp_path / "cert.pem").write_text("x")
    result = CliRunner().invoke(cli, ["--archive", str(archive), "serve", "--tls-cert", str(tmp_path / "cert.pem")])
    assert isinstance(result.exception, UsageError)


def test_without_an_archive_it_says_how_to_get_one(tmp_path):
    result = CliRunner().invoke(cli, ["--archive", str(tmp_path / "none"), "serve"])
    assert isinstance(result.exception, StorageError)
    assert "kubedossier snapshot" in result.exception.hint


def new_line(name: str, password: str) -> str:
    result = CliRunner().invoke(cli, ["serve", "--hash-password", name], input=password, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_line_for_the_users_file_is_made_from_stdin(tmp_path, ending):
    path = tmp_path / "users"
    path.write_text(new_line("ann", " geheim " + ending))
    ((account,), text) = read_users(path), path.read_text()
    assert account.username == "ann"
    assert account.password.fits(" geheim ")
    assert text.startswith("ann:$scrypt$")
    assert text.count("\n") == 1
    assert "geheim" not in text


def test_users_of_a_file_get_in_beside_the_login_of_the_environment(archive, tmp_path):
    path = tmp_path / "users"
    path.write_text(new_line("ann", "one") + new_line("bob", "two"))
    path.chmod(0o600)
    login = {"KUBEDOSSIER_SERVE_USERNAME": "reader", "KUBEDOSSIER_SERVE_PASSWORD": "geheim"}
    with serving(archive, "--users", str(path), "--plain-http", **login) as (process, url):
        statuses = [status(url, *one) for one in (("ann", "one"), ("bob", "two"), ("reader", "geheim"), ("ann", "two"))]
        process.send_signal(signal.SIGTERM)
        _, narration = process.communicate(timeout=600)
    assert statuses == [200, 200, 200, 401]
    assert "chmod" not in narration
    assert "No login is set" not in narration


def status(url: str, username: str, password: str) -> int:
    basic = base64.b64encode(f"{username}:{password}".encode()).decode()
    request = urllib.request.Request(url + "/api/v1/version", headers={"Authorization": f"Basic {basic}"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=600) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_users_file_that_others_can_read_is_warned_of(archive, tmp_path):
    path = tmp_path / "users"
    path.write_text(new_line("ann", "one"))
    path.chmod(0o640)
    with serving(archive, "--users", str(path), "--plain-http") as (process, _):
        process.send_signal(signal.SIGTERM)
        _, narration = process.communicate(timeout=600)
    assert f"Others can read '{path}'" in narration


def test_one_name_has_one_password(archive, tmp_path, monkeypatch):
    path = tmp_path / "users"
    path.write_text(new_line("ann", "one"))
    monkeypatch.setenv("KUBEDOSSIER_SERVE_USERNAME", "ann")
    monkeypatch.setenv("KUBEDOSSIER_SERVE_PASSWORD", "geheim")
    result = CliRunner().invoke(cli, ["--archive", str(archive), "serve", "--users", str(path)])
    assert isinstance(result.exception, UsageError)
    assert "'ann'" in result.exception.message
