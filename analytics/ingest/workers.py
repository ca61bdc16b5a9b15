"""A worker: a process that derives rows from the chunks it reads, and never sees the archive.

It is a plain subprocess of this module, which reads chunks from its standard input and answers on its standard output.
Each message is its length (8 bytes) and that many bytes: first the technique rules in force, then for each chunk its
description and its text; an answer is its rows as an Arrow stream, and the rest.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import IO

import msgspec
import pyarrow as pa

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest.chunks import Chunk, Derived, Lines, derive_chunk
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.techniques import own_rules, put_in_force
from kubedossier.analytics.own_rules import OwnRules

_PIPE_BYTES = 1024 * 1024
# pyarrow loads numpy where it is installed, and that starts a thread a core for algebra nobody asks for. Its own memory
# pool keeps what a chunk needed: 12 MB a worker, and no quicker here.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
_encode = msgspec.msgpack.Encoder().encode
_decode_chunk = msgspec.msgpack.Decoder(Lines | list[Record]).decode
_Rest = tuple[bytes, list[tuple[bytes, int]], list[tuple[Record, str]], dict[str, int], int, bytes]
_decode_answer = msgspec.msgpack.Decoder(_Rest).decode


class Worker:
    """One worker process, as its owner sees it."""

    def __init__(self) -> None:
        # A process group of its own: Ctrl-C is for the command, which then ends its workers.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kubedossier.analytics.ingest.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pipesize=_PIPE_BYTES,
            env={**os.environ, **_ENVIRONMENT},
        )
        self._rules: bytes | None = msgspec.json.encode(own_rules())

    def ask(self, chunk: Chunk) -> Derived:
        """Let the worker derive a chunk.

        Raises:
            KubedossierError: it died, of too little memory, for example.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            # The text of lines goes as it is, beside their description: packing it would be a copy on either side.
            text = chunk.text if isinstance(chunk, Lines) else b""
            bare = msgspec.structs.replace(chunk, text=b"") if isinstance(chunk, Lines) else chunk
            if self._rules is not None:
                _send(self._process.stdin, self._rules)
                self._rules = None
            _send(self._process.stdin, _encode(bare))
            _send(self._process.stdin, text)
            batch = _receive(self._process.stdout)
            rest = _receive(self._process.stdout)
        except OSError:
            batch = rest = b""
        if not rest:
            raise KubedossierError(
                "A worker process ended before its work was done; nothing of this commit was archived",
                hint="Is there enough memory? Run the import again.",
            )
        with pa.ipc.open_stream(pa.py_buffer(batch)) as reader:
            return Derived(reader.read_next_batch(), *_decode_answer(rest))._replace(text=text)

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
    # Thousands of rows live until their chunk is done and hold no cycles: looking for cycles among them again and
    # again was a tenth of the work.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    while head := _receive(source):
        _answer(target, head, _receive(source))


def _answer(target: IO[bytes], head: bytes, text: bytes) -> None:
    """Derive one chunk; a function of its own, so that nothing of it is still held when the next one comes."""
    chunk = _decode_chunk(head)
    # The raw texts are most of an answer, and whoever asked has them.
    found = derive_chunk(msgspec.structs.replace(chunk, text=text) if isinstance(chunk, Lines) else chunk, refer=True)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.batch.schema) as writer:
        writer.write_batch(found.batch)
    _send(target, memoryview(sink.getvalue()))
    _send(target, _encode(found[1:-1]))


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
