"""The routes: the Console's paths under ``/api/v1`` and any ``/api/vNN.NN``, read only.

Every answer, errors too, looks as the Console's does. It must never change anything, and never answer a
request that has not proved itself, but for ``/_ping`` and the login.

Source: the vendor's OpenAPI 33.01.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.serve.answers import csv_pieces, page_body
from kubedossier.analytics.serve.auth import Access, RefusedError
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.parameters import Asked, BadParameterError, read_parameters

VERSION = "33.01.137"
"""The version of the Console whose API this is; clients look at it."""

DESCRIPTION = "openapi-33.01.json"
"""The file beside this one that describes the API."""

_API_VERSION = re.compile(r"v\d{1,3}(\.\d{1,3}){0,2}", re.ASCII)
_LOGIN_BYTES = 64 * 1024
_QUICK_AT_ONCE = 4
_SLOW_AT_ONCE = 2
_PLAIN_BYTES = 1024
"""Smaller answers are not worth compressing; tokens, which must not be, are among them."""
_GZIP_LEVEL = 1
_LOCAL_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.ASCII | re.IGNORECASE)


def build_app(pages: Pages, access: Access, *, on_error: Callable[[Exception], None] = lambda _: None) -> Starlette:
    """The API over an archive.

    Args:
        pages: where events come from.
        access: who may read.
        on_error: told why a request failed that should not have; called from any thread.
    """

    def failed(_: Request, error: Exception) -> Response:
        on_error(error)
        return _error(500, error.message if isinstance(error, KubedossierError) else "the server failed")

    api = _Api(pages, access)
    routes = [
        Route("/_ping", api.ping, methods=["GET"]),
        Route("/api/{version}/_ping", api.ping, methods=["GET"]),
        Route("/api/{version}/version", api.version, methods=["GET"]),
        Route("/api/{version}/openapi.json", api.description, methods=["GET"]),
        Route("/api/{version}/authenticate", api.authenticate, methods=["POST"]),
        Route("/api/{version}/authenticate/renew", api.renew, methods=["GET"]),
        Route("/api/{version}/audits/kubernetes", api.audits, methods=["GET"]),
        Route("/api/{version}/audits/kubernetes/download", api.download, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {
        RefusedError: _refused,
        BadParameterError: _bad_parameter,
        HTTPException: _http_error,
        KubedossierError: failed,
        Exception: failed,
    }
    compressed = Middleware(GZipMiddleware, minimum_size=_PLAIN_BYTES, compresslevel=_GZIP_LEVEL)
    return Starlette(routes=routes, middleware=[compressed], exception_handlers=handlers)


def description() -> bytes:
    """The OpenAPI description of what is served, as JSON.

    It is the vendor's contract for these paths in words of our own, with what that leaves out: ``null`` for an empty
    page, ``Total-Count``, errors, logins, ``/authenticate/renew`` and this description itself.
    """
    return resources.files("kubedossier.analytics.serve").joinpath(DESCRIPTION).read_bytes()


class _Api:
    """The answers; what asks the archive runs in threads, so that one slow question does not stop the others.

    Few run at once, in the order they came: more would take memory and end no earlier. What may take long, sorting by
    something else than the time, waits in a queue of its own.
    """

    def __init__(self, pages: Pages, access: Access) -> None:
        self._pages = pages
        self._access = access
        self._quick = asyncio.Semaphore(_QUICK_AT_ONCE)
        self._slow = asyncio.Semaphore(_SLOW_AT_ONCE)
        self._slowest = asyncio.Semaphore(1)

    def ping(self, request: Request) -> Response:
        self._enter(request)
        return PlainTextResponse("OK")

    def version(self, request: Request) -> Response:
        self._admit(request)
        return _json(json.dumps(VERSION).encode())

    def description(self, request: Request) -> Response:
        self._admit(request)
        return _json(description())

    async def authenticate(self, request: Request) -> Response:
        self._enter(request)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LOGIN_BYTES:
                raise HTTPException(413, "the body is too large for a login")
        try:
            given = json.loads(body)
            username, password = given["username"], given["password"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise HTTPException(400, "a JSON object with username and password is needed") from None
        if not isinstance(username, str) or not isinstance(password, str):
            raise HTTPException(400, "username and password are texts")
        return _token(await run_in_threadpool(self._access.log_in, username, password))

    def renew(self, request: Request) -> Response:
        self._enter(request)
        return _token(self._access.renew(request.headers.get("authorization")))

    async def audits(self, request: Request) -> Response:
        asked = await self._read(request)

        def answer() -> Response:
            page = self._pages.page(asked)
            return _json(page_body(page.rows), {"Total-Count": str(page.total)})

        async with self._turn(asked):
            return await run_in_threadpool(answer)

    async def download(self, request: Request) -> Response:
        asked = await self._read(request)
        async with self._turn(asked):
            rows = await run_in_threadpool(self._pages.all, asked)
        return _Csv(csv_pieces(rows), headers={"Content-Disposition": 'attachment; filename="kubernetes-audits.csv"'})

    async def _read(self, request: Request) -> Asked:
        """What a request asks for, once it is let in; that may take a hash of its password."""
        await run_in_threadpool(partial(self._admit, request, reads_audits=True))
        return read_parameters(request.query_params.multi_items())

    def _turn(self, asked: Asked) -> asyncio.Semaphore:
        if asked.sort == "time":
            return self._quick
        return self._slowest if asked.sort == "eventBlob" else self._slow

    def _admit(self, request: Request, *, reads_audits: bool = False) -> None:
        self._enter(request)
        self._access.admit(request.headers.get("authorization"), reads_audits=reads_audits)

    def _enter(self, request: Request) -> None:
        if not _API_VERSION.fullmatch(request.path_params.get("version", "v1")):
            raise HTTPException(404, "no such API version")
        # Without a login, a browser that was led here under a foreign name must not get an answer.
        if self._access.open and not _LOCAL_HOST.fullmatch(request.headers.get("host", "localhost")):
            raise RefusedError(403, "without a login only requests to this machine by its own name are answered")


class _Csv(StreamingResponse):
    """CSV whose Content-Type is exactly ``text/csv``: some clients compare it as a whole."""

    def __init__(self, pieces: Iterable[bytes], headers: dict[str, str]) -> None:
        super().__init__(pieces, headers={**headers, "Content-Type": "text/csv", "Cache-Control": "no-store"})


def _json(body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    return Response(
        body,
        status,
        {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        | (headers or {}),
    )


def _token(token: str) -> Response:
    return _json(json.dumps({"token": token}).encode())


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return _json(json.dumps({"err": message}).encode(), headers, status)


def _refused(_: Request, error: RefusedError) -> Response:
    return _error(
        error.status, str(error), {"WWW-Authenticate": 'Basic realm="kubedossier"'} if error.status == 401 else None
    )


def _bad_parameter(_: Request, error: BadParameterError) -> Response:
    return _error(400, error.message)


def _http_error(_: Request, error: HTTPException) -> Response:
    return _error(error.status_code, error.detail.lower(), dict(error.headers or {}))
