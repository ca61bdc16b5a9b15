"""Records become columns, chunk by chunk: here, or in worker processes when there is much to do.

Deriving a row is most of the work of an import and Python does it on one core. The chunks come back in the order they
were given, so that the archive is the same however many workers there are.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from kubedossier.analytics.ingest.chunks import Chunk, Derived, Lines, derive_chunk
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.workers import Worker

PARALLEL_AFTER_BYTES = 64 * 1024 * 1024
"""So much is derived in this process before workers are started: below, starting them costs more."""


class Derivation:
    """Derives chunks in order, in this process at first and in workers once there is much to do.

    Args:
        workers: how many processes; 0 keeps everything in this one.
        expected_bytes: what is known to come; where that is much, workers are started at once.
    """

    def __init__(self, workers: int | None = None, expected_bytes: int = 0) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._most = (cores if cores > 1 else 0) if workers is None else workers
        self._bytes = expected_bytes
        self._lines = 0
        self._workers: list[Worker] = []
        self._idle: deque[Worker] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._queue: deque[tuple[bool | None, Future[Derived]]] = deque()

    def close(self) -> None:
        """End the workers; what they have not answered is dropped."""
        for worker in self._workers:
            worker.stop()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._threads, self._workers = None, []

    def give(self, chunk: Chunk) -> list[Derived]:
        """Take a chunk; whatever is ready, in the order it was given."""
        self._bytes += len(chunk.text) if isinstance(chunk, Lines) else sum(len(record.raw) for record in chunk)
        if self._threads is None and not (self._most and self._bytes > PARALLEL_AFTER_BYTES):
            return [self._numbered(_begins(chunk), derive_chunk(chunk))]
        if self._threads is None:
            self._start()
        assert self._threads is not None
        # Only what numbering needs is kept: a worker has the chunk, and its memory here is given back at once.
        self._queue.append((_begins(chunk), self._threads.submit(self._ask, chunk)))
        return self._ready(2 * self._most)

    def rest(self) -> list[Derived]:
        """What was given and is not back yet."""
        return self._ready(0)

    def _ready(self, at_most: int) -> list[Derived]:
        ready = []
        while len(self._queue) > at_most:
            begins, answer = self._queue.popleft()
            ready.append(self._numbered(begins, answer.result()))
        return ready

    def _numbered(self, begins: bool | None, derived: Derived) -> Derived:
        """The same with lines counted from the beginning of their source, which whoever cut them does not know."""
        if begins is None:
            return derived
        before = 0 if begins else self._lines
        self._lines = before + derived.lines
        return derived._replace(rejects=[(_moved(record, before), reason) for record, reason in derived.rejects])

    def _start(self) -> None:
        self._workers = [Worker() for _ in range(self._most)]
        self._idle.extend(self._workers)
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="derivation")

    def _ask(self, chunk: Chunk) -> Derived:
        worker = self._idle.popleft()
        try:
            return worker.ask(chunk)
        finally:
            self._idle.append(worker)


def _begins(chunk: Chunk) -> bool | None:
    """Whether lines are the first of their source; None for records, which know their places."""
    return chunk.begin if isinstance(chunk, Lines) else None


def _moved(record: Record, lines: int) -> Record:
    at = record.position
    return msgspec.structs.replace(record, position=at + lines) if isinstance(at, int) else record
