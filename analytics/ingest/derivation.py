"""Records become columns, chunk by chunk: here, or in worker processes when there is much to do.

Deriving a row is most of the work of an import and Python does it on one core. A worker is a plain subprocess that
reads chunks from its standard input and answers on its standard output; it never sees the archive. The chunks come back
in the order they were given, so that the archive is the same however many workers there are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, NamedTuple

import msgspec
import pyarrow as pa

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record, Row, build_batch
from kubedossier.analytics.ingest.sources import SkippedRecord, derive, expand, read_ordinary
from kubedossier.analytics.ingest.techniques import own_rules, put_in_force
from kubedossier.analytics.own_rules import OwnRules
from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.digests import leaf

PARALLEL_AFTER = 30_000
"""So many records are derived in this process before workers are started: below, starting them costs more."""
LEAF_BYTES = 32


class Derived(NamedTuple):
    """What became of one chunk.

    Attributes:
        batch: the rows, columns of ``EVENT_SCHEMA``; ``snapshot`` is empty.
        leaves: their leaves, 32 bytes each, one after another.
        rejects: records that are no events, with the reason.
        look_alikes: how often each kind of look-alike came up.
    """

    batch: pa.RecordBatch
    leaves: bytes
    rejects: list[tuple[Record, str]]
    look_alikes: dict[str, int]


def derive_chunk(records: Sequence[Record]) -> Derived:
    """Derive the rows of a chunk of records."""
    rows: list[Row] = []
    sources: list[Record] = []
    rejects: list[tuple[Record, str]] = []
    look_alikes: Counter[str] = Counter()
    for record in records:
        if (ordinary := read_ordinary(record)) is not None:
            rows.append(ordinary)
            sources.append(record)
            continue
        for one in expand(record):
            try:
                row = derive(one)
            except RejectedRecord as error:
                rejects.append((one, error.reason))
            except SkippedRecord as error:
                look_alikes[str(error)] += 1
            else:
                rows.append(row)
                sources.append(one)
    batch = build_batch(rows, sources, "") if rows else pa.RecordBatch.from_pylist([], schema=EVENT_SCHEMA)
    return Derived(batch, b"".join([leaf(row.raw) for row in rows]), rejects, dict(look_alikes))


class Derivation:
    """Derives chunks in order, in this process at first and in workers once there is much to do.

    Args:
        workers: how many processes; 0 keeps everything in this one.
    """

    def __init__(self, workers: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._most = (cores if cores > 1 else 0) if workers is None else workers
        self._seen = 0
        self._workers: list[_Worker] = []
        self._idle: deque[_Worker] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._queue: deque[Future[Derived]] = deque()

    def close(self) -> None:
        """End the workers; what they have not answered is dropped."""
        for worker in self._workers:
            worker.stop()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._threads, self._workers = None, []

    def give(self, records: Sequence[Record]) -> list[Derived]:
        """Take a chunk; whatever is ready, in the order it was given."""
        self._seen += len(records)
        if self._threads is None and not (self._most and self._seen > PARALLEL_AFTER):
            return [derive_chunk(records)]
        if self._threads is None:
            self._start()
        assert self._threads is not None
        self._queue.append(self._threads.submit(self._ask, list(records)))
        return self._ready(2 * self._most)

    def rest(self) -> list[Derived]:
        """What was given and is not back yet."""
        return self._ready(0)

    def _ready(self, at_most: int) -> list[Derived]:
        ready = []
        while len(self._queue) > at_most:
            ready.append(self._queue.popleft().result())
        return ready

    def _start(self) -> None:
        self._workers = [_Worker() for _ in range(self._most)]
        self._idle.extend(self._workers)
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="derivation")

    def _ask(self, records: list[Record]) -> Derived:
        worker = self._idle.popleft()
        try:
            return worker.ask(records)
        finally:
            self._idle.append(worker)


class _Worker:
    """One worker process; each message is its length (8 bytes) and that many bytes, the first the rules in force."""

    def __init__(self) -> None:
        # A process group of its own: Ctrl-C is for the command, which then ends its workers.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kubedossier.analytics.ingest.derivation"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._rules: bytes | None = msgspec.json.encode(own_rules())

    def ask(self, records: list[Record]) -> Derived:
        """Let the worker derive a chunk.

        Raises:
            KubedossierError: it died, of too little memory, for example.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            if self._rules is not None:
                _send(self._process.stdin, self._rules)
                self._rules = None
            _send(self._process.stdin, _pack.encode(records))
            batch = _receive(self._process.stdout)
            rest = _receive(self._process.stdout)
        except OSError:
            batch = rest = b""
        if not rest:
            raise KubedossierError(
                "A worker process ended before its work was done; nothing of this commit was archived",
                hint="Is there enough memory? Run the import again.",
            )
        leaves, rejects, look_alikes = _answers.decode(rest)
        with pa.ipc.open_stream(pa.py_buffer(batch)) as reader:
            return Derived(reader.read_next_batch(), leaves, rejects, look_alikes)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what could not be flushed into a dead worker is nobody's loss


_pack = msgspec.msgpack.Encoder()
_records = msgspec.msgpack.Decoder(list[Record])
_answers = msgspec.msgpack.Decoder(tuple[bytes, list[tuple[Record, str]], dict[str, int]])


def _send(pipe: IO[bytes], data: bytes | memoryview) -> None:
    pipe.write(len(data).to_bytes(8, "big"))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    """The next message; empty where there is none, or it was cut off."""
    head = pipe.read(8)
    size = int.from_bytes(head, "big")
    data = pipe.read(size) if len(head) == 8 else b""
    return data if len(data) == size else b""


def _serve(source: IO[bytes], target: IO[bytes]) -> None:
    """A worker's life: the rules in force, then chunks in, answers out, until nobody asks any more."""
    put_in_force(msgspec.json.decode(_receive(source), type=OwnRules))
    while data := _receive(source):
        found = derive_chunk(_records.decode(data))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, found.batch.schema) as writer:
            writer.write_batch(found.batch)
        _send(target, memoryview(sink.getvalue()))
        _send(target, _pack.encode((found.leaves, found.rejects, found.look_alikes)))


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
