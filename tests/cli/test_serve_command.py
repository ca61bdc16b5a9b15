"""``kubedossier serve`` from the command line."""

from __future__ import annotations

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
    return urllib.request.build_opener(*handlers).open(url + "/api/v1/audits/kubernetes", timeout=20).read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_over_tls_with_a_certificate_of_its_own_until_it_is_stopped(archive, number):
    with serving(archive) as (process, url):
        assert url.startswith("https://127.0.0.1:")
        assert fetch(url, own_authority()) == b"[" + EVENT + b"]"
        process.send_signal(number)
        _, narration = process.communicate(timeout=30)
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
