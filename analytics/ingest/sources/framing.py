"""Finds where one JSON value ends and the next begins, without changing or losing a byte.

NDJSON, one array over many lines, pretty-printed and concatenated objects: each value comes out with its exact bytes
and its position, also when it is damaged. Memory is bounded by the block size and the largest single value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import chain
from typing import NamedTuple

import msgspec
from msgspec import Raw

from kubedossier.analytics.errors import KubedossierError

MAX_VALUE_BYTES = 64 * 1024 * 1024
_HEAD_BYTES = 65_536
_FAST_BYTES = 8 * 1024 * 1024
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_STRUCTURE = re.compile(rb'[{\[]+|["\\}\],]')
_BLANKS = re.compile(rb"[ \t\r\n]*")
_STRING_END = re.compile(rb'["\\]')
_new = tuple.__new__
_split = msgspec.json.Decoder(list[Raw]).decode


class Framed(NamedTuple):
    """One record: its bytes, where it stood (a line's number, or ``element 7``), and the header of its CSV file."""

    raw: bytes
    position: str | int
    header: str | None = None


def frame(blocks: Iterable[bytes]) -> Iterator[Framed]:
    """Cut a stream of bytes into records, by its shape: an array, lines, objects over several lines, or CSV.

    Raises:
        KubedossierError: one value is larger than the cap.
    """
    before = 0
    for piece in frame_pieces(blocks):
        if isinstance(piece, Framed):
            yield piece
            continue
        lines, numbers, count = cut_lines(piece)
        yield from (_new(Framed, (line, before + number, None)) for line, number in zip(lines, numbers, strict=True))
        before += count


def cut_lines(text: bytes) -> tuple[list[bytes], Sequence[int], int]:
    """The lines of a text that are not blank, without blanks around them; their numbers; how many lines there are."""
    bare = [line.strip(_BLANK) for line in BytesIO(text)]  # finds line ends quicker than split does
    if all(bare):
        return bare, range(1, len(bare) + 1), len(bare)
    return list(filter(None, bare)), [number for number, line in enumerate(bare, 1) if line], len(bare)


def frame_pieces(blocks: Iterable[bytes]) -> Iterator[Framed | bytes]:
    """``frame``, but where each line is a record, whole lines come uncut: others have the time to cut them.

    Raises:
        KubedossierError: one value is larger than the cap.
    """
    from kubedossier.analytics.ingest.sources.csv_framing import find_header, frame_csv

    stream = iter(blocks)
    head = b""
    for block in stream:
        head += block
        if len(head.lstrip(_BLANK + _BOM)) >= _HEAD_BYTES:
            break
        check_size(head, "the blank beginning of the file")
    head = head.removeprefix(_BOM)
    start = head.lstrip(_BLANK)
    if not start or start.rstrip(_BLANK) == b"null":
        return  # nothing, or the Console's empty page
    rest = _chained(head, stream)
    if start[:1] not in b"[{" and (header := find_header(start)) is not None:
        yield from frame_csv(rest, header)
    elif start[:1] == b"[" and not _is_line_of_array(start):
        yield from _array(rest)
    elif start[:1] == b"{" and _first_line_is_open(start):
        yield from _objects(rest)
    else:
        yield from _lines(rest)


def split_array_slowly(body: bytes) -> list[bytes]:
    """The elements of a JSON array whose elements may be damaged.

    Raises:
        ValueError: the body is not one whole array.
    """
    text = body.removeprefix(_BOM).strip(_BLANK)
    if not (text.startswith(b"[") and text.endswith(b"]")):
        raise ValueError("not a whole JSON array")
    scanner = _Scanner()
    elements, end = scanner.feed(text, 1)
    if end != len(text) or not scanner.closed:
        raise ValueError("not a whole JSON array")
    return elements


def split_joined(raw: bytes) -> list[bytes] | None:
    """The objects of a line that holds several, one after another (as Firehose writes them); None for anything else."""
    parts: list[bytes] = []
    rest = raw
    while rest.startswith(b"{"):
        end = _object_end(rest)
        if not end:
            return None
        parts.append(rest[:end])
        rest = rest[end:].lstrip(_BLANK)
    return parts if len(parts) > 1 and not rest and all(map(_whole, parts)) else None


def member(raw: bytes, key: str) -> bytes | None:
    """The exact bytes of one member of an object; None where the object or the member is not there."""
    try:
        found = msgspec.json.decode(raw, type=dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return bytes(found[key]).strip(_BLANK) if key in found else None


def _chained(head: bytes, stream: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from stream


def _is_line_of_array(start: bytes) -> bool:
    """Whether the first line is an array by itself and another line follows: NDJSON of odd values, or of pages."""
    line, newline, rest = start.partition(b"\n")
    return bool(newline and rest.strip(_BLANK)) and line.rstrip(_BLANK).endswith(b"]") and _whole(line)


def _first_line_is_open(start: bytes) -> bool:
    """Whether the first line is a value that goes on below it (pretty-printed), and not merely a damaged line."""
    line, newline, rest = start.partition(b"\n")
    if not newline:
        return False
    bare = line.strip(_BLANK)
    return bare == b"{" or (not _whole(line) and bare.endswith((b",", b"{", b"[")) and rest[:1] in (b" ", b"\t"))


def _whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, about a block at a time."""
    rest, before = b"", 0
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((rest, memoryview(block)[:end]))
            before += len(rest) + end
            rest = block[end:]
        else:
            rest += block
        check_size(rest, f"the line after {before:,} bytes")
    if rest:
        yield rest


def _array(blocks: Iterable[bytes]) -> Iterator[Framed]:
    """The elements of arrays (one after another, should there be several)."""
    number, buffer, started, scanner = 0, b"", False, _Scanner()
    for block in blocks:
        buffer += block
        while True:
            if not started:
                buffer = buffer.lstrip(_BLANK)
                if not buffer.startswith(b"["):
                    break
                buffer, started, scanner = buffer[1:], True, _Scanner()
            elements, used = _fast_elements(buffer)
            rest, end = scanner.feed(buffer, used)
            elements, buffer = elements + rest, buffer[end:]
            for element in elements:
                number += 1
                yield Framed(element, f"element {number}")
            started = not scanner.closed
            if started or not buffer:
                break
        check_size(buffer, f"element {number + 1}")
    if bare := buffer.strip(_BLANK):
        yield Framed(bare, f"element {number + 1}, where the file ends too early" if started else "after the array")


def _fast_elements(buffer: bytes) -> tuple[list[bytes], int]:
    """Whole elements at the front of the buffer: ``[`` + them + ``]`` is valid JSON only if the cut is between two."""
    cut = len(buffer)
    for _ in range(32 if cut <= _FAST_BYTES else 0):
        cut = buffer.rfind(b"}", 0, cut)
        if cut < 0:
            break
        after = buffer[cut + 1 : cut + 65].lstrip(_BLANK)
        if not after.startswith(b","):
            continue
        try:
            elements = [bytes(one).strip(_BLANK) for one in _split(b"[" + buffer[: cut + 1] + b"]")]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        return elements, buffer.index(b",", cut + 1) + 1
    return [], 0


class _Scanner:
    """Cuts array elements at commas of the outermost level, strings left out; keeps its place between blocks."""

    def __init__(self) -> None:
        self.closed = False
        self._level = self._seen = 0

    def feed(self, data: bytes, start: int) -> tuple[list[bytes], int]:
        """Whole elements from ``start`` on, and how far they reach; what lies beyond must be fed again, from 0 on."""
        elements: list[bytes] = []
        level, begin, at = (0, start, start) if start else (self._level, 0, self._seen)
        while (match := _STRUCTURE.search(data, at)) is not None:
            char = data[match.end() - 1]
            if char == 0x22:
                end = _after_string(data, match.end())
                if end < 0:
                    break
                at = end
                continue
            at = match.end()
            if char in b"{[":
                level += at - match.start()
            elif char in b"}]" and level:
                level -= 1
            elif char == 0x2C and level == 0:
                elements.append(data[begin : at - 1].strip(_BLANK))
                begin = at
            elif char == 0x5D:
                if bare := data[begin : at - 1].strip(_BLANK):
                    elements.append(bare)
                self.closed = True
                return elements, at
        self._level, self._seen = level, at - begin
        return elements, begin


def _objects(blocks: Iterable[bytes]) -> Iterator[Framed]:
    """Objects over several lines, one after another."""
    buffer, line, in_vain = b"", 1, 0
    for block in chain(blocks, (None,)):
        buffer += block or b""
        if in_vain:
            check_size(buffer, f"the value at line {line}")
        if block is not None and len(buffer) < 2 * in_vain:
            continue  # a value that is not whole is looked through again only when there is twice as much of it
        at = 0
        while True:
            blanks = _BLANKS.match(buffer, at)
            begin = blanks.end() if blanks else at
            line += buffer.count(b"\n", at, begin)
            at = _object_end(buffer, begin)
            if not at:
                break
            yield Framed(buffer[begin:at], f"line {line}")
            line += buffer.count(b"\n", begin, at)
        buffer = buffer[begin:]
        in_vain = len(buffer)
    if bare := buffer.strip(_BLANK):
        yield Framed(bare, f"line {line}, where the file ends too early")


def _object_end(data: bytes, begin: int = 0) -> int:
    """Where the value ends that begins there; 0 where it is not whole yet. What is no object ends with its line."""
    if not data.startswith((b"{", b"["), begin):
        return data.find(b"\n", begin) + 1
    level, at = 0, begin
    while (match := _STRUCTURE.search(data, at)) is not None:
        at = match.end()
        char = data[at - 1]
        if char == 0x22:
            at = _after_string(data, at)
            if at < 0:
                return 0
        elif char in b"{[":
            level += at - match.start()
        elif char in b"}]":
            level -= 1
            if level <= 0:
                return at
    return 0


def _after_string(data: bytes, at: int) -> int:
    """The place after a string that began before ``at``; -1 where it does not end."""
    while (match := _STRING_END.search(data, at)) is not None:
        if data[match.start()] == 0x22:
            return match.end()
        at = match.end() + 1
    return -1


def check_size(buffer: bytes, where: str) -> None:
    """Refuse a value that is larger than any event.

    Raises:
        KubedossierError: naming where it stands.
    """
    if len(buffer) > MAX_VALUE_BYTES:
        raise KubedossierError(
            f"{where[0].upper()}{where[1:]} is larger than {MAX_VALUE_BYTES // 2**20} MiB",
            hint="No audit event is that large: look at it there.",
        )
