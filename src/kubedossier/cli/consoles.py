"""Which Console a command speaks to, and with which login: options, environment and configuration put together.

Secrets come from the environment, a file or the keyring. They are never taken from an argument, which every
user of the machine could read, and never shown.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.errors import UsageError
from kubedossier.cli import Settings
from kubedossier.cli.diagnostics import warn

if TYPE_CHECKING:
    from kubedossier.analytics.config import ConsoleConfig
    from kubedossier.analytics.ingest.console import Console
    from kubedossier.analytics.ingest.console_login import Credentials


def named_console(settings: Settings, option: str | None) -> ConsoleConfig:
    """The Console's settings: by name or as the only one in the configuration, or just a URL.

    Raises:
        UsageError: none is named, or none has that name.
    """
    from kubedossier.analytics.config import ConsoleConfig

    if option is not None and "://" in option:
        return ConsoleConfig(name="", url=option)
    found = settings.config.console(option)
    if found is None:
        raise UsageError(
            "Which Console? None was named", hint="Give --console URL, or set KUBEDOSSIER_CONSOLE, or configure one."
        )
    return found


def open_console(named: ConsoleConfig, given: Mapping[str, Any], *, own_login: bool = False) -> Console:
    """A client for a Console, by the options of a command and the configuration; nothing is sent yet.

    Args:
        named: what the configuration says.
        given: the command's options by name.
        own_login: see ``credentials``.

    Raises:
        UsageError: the URL, the login or a certificate cannot be used.
    """
    from kubedossier.analytics.ingest.console import Console
    from kubedossier.analytics.ingest.console_address import parse_address
    from kubedossier.analytics.ingest.console_pace import Patience
    from kubedossier.analytics.ingest.console_trust import Trust

    address = parse_address(
        named.url,
        api_version=given["api_version"] or named.api_version or "v33.01",
        project=given["project"] or named.project,
    )
    trust = Trust(
        ca_bundle=given["ca_bundle"] or named.ca_bundle,
        client_cert=given["client_cert"] or named.client_cert,
        insecure=given["insecure"] or bool(named.insecure),
    )
    if trust.insecure:
        warn("The Console's certificate is not checked: anybody in between can read the login and change events")
    return Console(
        address,
        credentials(named, os.environ, own_login=own_login),
        basic=given["auth"] == "basic",
        trust=trust,
        patience=Patience(total_s=float(given["give_up_after"])),
        connections=given["connections"] or named.connections or 4,
    )


def credentials(named: ConsoleConfig, environ: Mapping[str, str], *, own_login: bool = False) -> Credentials:
    """The login for a Console: from the environment, a file, or the keyring; never from an argument.

    Args:
        named: what the configuration says.
        environ: the environment.
        own_login: a Console with a secret of its own in the configuration is not asked with the environment's,
            which may be another Console's.

    Raises:
        UsageError: there is none, or a file cannot be read.
    """
    from kubedossier.analytics.ingest.console_login import Credentials

    if own_login and (named.token_file or named.password_file):
        environ = {} if named.username else {"KUBEDOSSIER_USERNAME": environ.get("KUBEDOSSIER_USERNAME", "")}
    token = environ.get("KUBEDOSSIER_TOKEN") or _secret(named.token_file)
    username = environ.get("KUBEDOSSIER_USERNAME") or named.username
    if token:
        return Credentials(username=username, token=token)
    password_file = environ.get("KUBEDOSSIER_PASSWORD_FILE")
    password = environ.get("KUBEDOSSIER_PASSWORD") or _secret(
        Path(password_file).expanduser() if password_file else named.password_file
    )
    if username and not password:
        password = _from_keyring(named.url, username)
    if not username or not password:
        raise UsageError(
            f"No {'password' if username else 'login'} for the Console",
            hint="Set KUBEDOSSIER_USERNAME and KUBEDOSSIER_PASSWORD (or _PASSWORD_FILE), or KUBEDOSSIER_TOKEN.",
        )
    return Credentials(username=username, password=password)


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"Cannot read the secret in '{path}': {reason}") from None
    if not text:
        raise UsageError(f"'{path}' is empty; it should hold a secret")
    return text


def _from_keyring(url: str, username: str) -> str | None:
    """The password under ``kubedossier URL`` and the name, where the package keyring and a keyring are there."""
    try:
        keyring, errors = importlib.import_module("keyring"), importlib.import_module("keyring.errors")
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(f"kubedossier {url}", username)
    except errors.NoKeyringError:
        return None
    except errors.KeyringError as error:
        raise UsageError(
            f"The keyring does not give the password of '{username}': {error}",
            hint="Unlock it, or set KUBEDOSSIER_PASSWORD or KUBEDOSSIER_PASSWORD_FILE.",
        ) from None
    return found
