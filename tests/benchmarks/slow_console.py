"""An archive served as a Console far away would: each answer 50 ms late. ``python slow_console.py ARCHIVE``."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

from kubedossier.analytics.serve.app import build_app
from kubedossier.analytics.serve.auth import Access
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.running import running

LATENCY_S = 0.05


def late(app):
    """The application, each answer of it late."""

    async def answer(scope, receive, send):
        await asyncio.sleep(LATENCY_S)
        await app(scope, receive, send)

    return answer


if __name__ == "__main__":
    with running(late(build_app(Pages(Path(sys.argv[1])), Access())), tls=None) as url:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        threading.Event().wait()
