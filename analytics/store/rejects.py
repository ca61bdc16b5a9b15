"""Rejects on disk: what could not be read as an event, verbatim, with reason, source and position."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.schema import FileRef
from kubedossier.analytics.store.plain import plain_reason

_BLOCK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that could not be read.

    Attributes:
        reason: one word, such as ``not_json``.
        source: the file or URL it came from.
        position: where it stood there.
        raw: its exact bytes.
        context: what is needed besides raw to derive a row, as JSON text, so that a later version can.
    """

    reason: str
    source: str
    position: str
    raw: bytes
    context: str = "{}"

    def line(self) -> bytes:
        """The line that keeps it: JSON, ASCII escapes; bytes that are not UTF-8 in base64."""
        fields = {
            "reason": self.reason,
            "source": self.source,
            "position": self.position,
            "context": self.context,
        }
        try:
            fields["raw"] = self.raw.decode("utf-8")
        except UnicodeDecodeError:
            fields["raw_base64"] = base64.b64encode(self.raw).decode("ascii")
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def compress(lines: list[bytes]) -> bytes:
    """The bytes of a file of rejects: NDJSON, zstd."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        for line in lines:
            out.write(line)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_rejects(root: Path, file: FileRef) -> Iterator[Reject]:
    """The rejects of one file, in the order they came.

    Raises:
        StorageError: the file cannot be read.
    """
    rest = b""
    try:
        with pa.input_stream(str(root / file.path), compression="zstd") as stream:
            while block := stream.read(_BLOCK_BYTES):
                *lines, rest = (rest + block).split(b"\n")
                yield from map(_read_line, lines)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise StorageError(
            f"Cannot read the rejects in '{file.path}': {plain_reason(error)}", hint="Run 'kubedossier verify'."
        ) from error


class _Line(msgspec.Struct, gc=False):
    """What a line holds; a typed decoder reads tens of thousands of them in the time of a breath."""

    reason: str
    source: str
    position: str
    raw: str | None = None
    raw_base64: str = ""
    context: str = "{}"


_decode = msgspec.json.Decoder(_Line).decode


def _read_line(line: bytes) -> Reject:
    found = _decode(line)
    raw = base64.b64decode(found.raw_base64) if found.raw is None else found.raw.encode("utf-8")
    return Reject(found.reason, found.source, found.position, raw, found.context)
