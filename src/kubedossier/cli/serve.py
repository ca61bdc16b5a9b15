"""``kubedossier serve``: serves the archive through the Console's API."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedossier.analytics.errors import UsageError
from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import say, warn
from kubedossier.cli.output import write_line

if TYPE_CHECKING:
    from kubedossier.analytics.serve.auth import Account
    from kubedossier.analytics.serve.certificates import ServerTls

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(
    epilog=example(
        """
kubedossier serve
kubedossier serve --hash-password alice >> users
kubedossier serve --users users --host :: --tls-cert c.pem --tls-key k.pem
curl --cacert CA.pem https://127.0.0.1:8083/api/v1/audits/kubernetes
"""
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8083, show_default=True, help="0 takes a free one.")
@click.option("--tls-cert", type=_FILE, help="PEM certificate with its chain.  [default: one of its own]")
@click.option("--tls-key", type=_FILE, help="PEM key of that certificate, without a password.")
@click.option("--plain-http", is_flag=True, help="No TLS; on loopback only.")
@click.option("--users", type=_FILE, help="File of those who may read; it is read once, at the start.")
@click.option("--hash-password", "new_user", metavar="NAME", help="Ask for a password, print a line for --users, end.")
@click.pass_obj
def command(
    settings: Settings,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    plain_http: bool,
    users: Path | None,
    new_user: str | None,
) -> None:
    """Serve the archive through the Console's API.

    Every client of the Console's GET /api/v33.01/audits/kubernetes can ask the archive instead: all nine
    parameters, Basic and Bearer logins, /download for CSV, and /openapi.json, which describes it all. Nothing can be
    changed through it.

    Logins come from a file of --users, which holds salted scrypt hashes and no password, and from
    KUBEDOSSIER_SERVE_USERNAME with KUBEDOSSIER_SERVE_PASSWORD. Without any, everybody on this machine may read, and
    it listens on loopback only. The base URL goes to stdout. Ctrl-C ends it.
    """
    if new_user is not None:
        write_line(_new_line(new_user))
        return
    from kubedossier.analytics.ingest.console_address import is_loopback
    from kubedossier.analytics.serve.app import build_app
    from kubedossier.analytics.serve.auth import Access
    from kubedossier.analytics.serve.pages import Pages
    from kubedossier.analytics.serve.running import serve_forever

    accounts = _accounts(users)
    if not is_loopback(host):
        if not accounts:
            raise UsageError(
                f"Without a login it does not listen on {host}, where others could read",
                hint="Give --users FILE, or set KUBEDOSSIER_SERVE_USERNAME and KUBEDOSSIER_SERVE_PASSWORD.",
            )
        if plain_http:
            raise UsageError(f"Plain http is for loopback only, not for {host}", hint="Leave --plain-http out.")
    pages = Pages(settings.archive_path())
    tls = None if plain_http else _tls(tls_cert, tls_key, host)
    if not accounts:
        warn("No login is set: everybody on this machine may read")
    if tls and tls.ca:
        say(f"Clients trust it by its own authority: --ca-bundle {tls.ca}")
    app = build_app(pages, Access(accounts), on_error=lambda error: warn(f"A request failed: {error}"))
    try:
        # SIGTERM, as a service manager sends it, ends the server as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        serve_forever(app, tls=tls, host=host, port=port, on_ready=write_line)
    except KeyboardInterrupt:
        say("Stopped.")


def _accounts(users: Path | None) -> tuple[Account, ...]:
    from kubedossier.analytics.serve.auth import Account
    from kubedossier.analytics.serve.users import read_users

    username = os.environ.get("KUBEDOSSIER_SERVE_USERNAME", "")
    password = os.environ.get("KUBEDOSSIER_SERVE_PASSWORD", "")
    if bool(username) != bool(password) or ":" in username:
        raise UsageError(
            "The login to serve with is only half there, or its name holds a colon",
            hint="Set both KUBEDOSSIER_SERVE_USERNAME and KUBEDOSSIER_SERVE_PASSWORD.",
        )
    own = (Account(username, password),) if username else ()
    if users is None:
        return own
    accounts = read_users(users)
    if stat.S_IMODE(users.stat().st_mode) & 0o077:
        warn(f"Others can read '{users}', and try passwords against it: chmod 600 keeps it to yourself")
    if any(one.username == username for one in accounts):
        raise UsageError(f"'{username}' is in '{users}' and in KUBEDOSSIER_SERVE_USERNAME", hint="Name it once.")
    return (*own, *accounts)


def _new_line(username: str) -> str:
    """A line for the users file; the password comes from a prompt, or from the first line of stdin."""
    from kubedossier.analytics.serve.users import user_line

    if sys.stdin.isatty():
        password = click.prompt(f"Password of {username}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    return user_line(username, password)


def _tls(cert: Path | None, key: Path | None, host: str) -> ServerTls:
    from kubedossier.analytics.serve.certificates import LOCAL_NAMES, ServerTls, own_certificate, state_folder

    if (cert is None) != (key is None):
        raise UsageError("--tls-cert and --tls-key belong together")
    if cert is not None and key is not None:
        return ServerTls(cert, key)
    reached_as = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104
    return own_certificate(state_folder(), names=tuple(dict.fromkeys((*LOCAL_NAMES, reached_as))))
