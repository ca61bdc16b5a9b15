"""A server at work: in the foreground for the command, in a thread for the demonstration and the tests.

It speaks HTTP/1.1 in plain Python (h11), so that no compiled server is needed.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.errors import KubedossierError, UsageError

if TYPE_CHECKING:
    import uvicorn

    from kubedossier.analytics.serve.certificates import ServerTls

_STOP_S = 10


@contextmanager
def running(app: Any, *, tls: ServerTls | None, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a thread while the block runs; gives the base URL.

    Args:
        app: the ASGI application.
        tls: certificate and key; None serves plain http.
        host: name or address to listen on.
        port: 0 takes a free one.

    Raises:
        UsageError: the certificate, the host or the port cannot be used.
    """
    server = _server(app, tls)
    listener = _listen(host, port)
    thread = threading.Thread(target=server.run, args=([listener],), name="serve", daemon=True)
    thread.start()
    try:
        yield base_url(listener, tls)
    finally:
        server.should_exit = True
        thread.join(_STOP_S)
        listener.close()


def serve_forever(app: Any, *, tls: ServerTls | None, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until the process is asked to end; then requests under way are answered first.

    Args:
        app: the ASGI application.
        tls: certificate and key; None serves plain http.
        host: name or address to listen on.
        port: 0 takes a free one.
        on_ready: told the base URL as soon as connections are taken.

    Raises:
        UsageError: the certificate, the host or the port cannot be used.
    """
    server = _server(app, tls)
    listener = _listen(host, port)
    try:
        on_ready(base_url(listener, tls))
        server.run([listener])
    finally:
        listener.close()


def base_url(listener: socket.socket, tls: ServerTls | None) -> str:
    """The URL under which a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise UsageError(
            f"Cannot listen on {host}, port {port}: {reason}", hint="Choose another with --host and --port."
        ) from error


def _server(app: Any, tls: ServerTls | None) -> uvicorn.Server:
    import ssl

    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S // 2,
        ssl_certfile=str(tls.cert) if tls else None,
        ssl_keyfile=str(tls.key) if tls else None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"'{tls.cert if tls else ''}' cannot be used for TLS: {error.strerror or error}",
            hint="--tls-cert and --tls-key are PEM files that belong together; the key has no password.",
        ) from error
    except Exception as error:
        raise KubedossierError(f"The server cannot start: {error}") from error
    return uvicorn.Server(config)
