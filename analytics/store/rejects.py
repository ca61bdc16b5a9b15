"""Rejects on disk: what could not be read as an event, verbatim, with reason, source and position."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.schema import FileRef

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
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(
            f"Cannot read the rejects in '{file.path}': {error}", hint="Run 'kubedossier verify'."
        ) from error


def _read_line(line: bytes) -> Reject:
    fields = json.loads(line)
    raw = base64.b64decode(fields["raw_base64"]) if "raw_base64" in fields else fields["raw"].encode("utf-8")
    return Reject(fields["reason"], fields["source"], fields["position"], raw, fields.get("context", "{}"))
