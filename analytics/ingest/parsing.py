"""One JSON record, read strictly and completely: the slow, exact way.

The fast decoders of sources/ serve the ordinary record; whatever they refuse comes here, and what is refused here is
a reject. Nothing may pass that the archive could not give back or hash again.
"""

from __future__ import annotations

import json
import re
from collections import deque
from itertools import chain
from typing import Any, NoReturn

MAX_DEPTH = 200
_TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class RejectedRecord(Exception):  # noqa: N818 - the field's word
    """A record that cannot become an event; the text is the reason kept beside it.

    Reasons: ``not_utf8``, ``not_json``, ``nan_or_infinity``, ``lone_surrogate``, ``too_deep``,
    ``number_out_of_range``, ``not_an_object``, ``no_known_field``.
    """

    @property
    def reason(self) -> str:
        """The reason, one word."""
        return str(self.args[0])


class HugeNumber(str):
    """The text of a number that no double and no int64 holds; fine in a field nobody reads."""

    __slots__ = ()


class Repeated(dict[str, Any]):
    """An object in which a key stood twice; the last one is kept."""


def parse_strict(raw: bytes) -> dict[str, Any]:
    """Parse one record.

    Returns:
        The object; objects with repeated keys are ``Repeated``, numbers beyond a double are ``HugeNumber``.

    Raises:
        RejectedRecord: with the reason.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RejectedRecord("not_utf8") from None
    if depth(raw) > MAX_DEPTH:
        raise RejectedRecord("too_deep")
    try:
        value = _DECODER.decode(text)
    except RejectedRecord:
        raise
    except (ValueError, RecursionError):
        raise RejectedRecord("not_json") from None
    if _SURROGATE.search(raw) and not _encodable(value):
        raise RejectedRecord("lone_surrogate")
    if not isinstance(value, dict):
        raise RejectedRecord("not_an_object")
    return value


def depth(raw: bytes) -> int:
    """How deep arrays and objects nest at most, strings left out; exact only near and above the limit."""
    now = deepest = 0
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return raw.count(b"[") + raw.count(b"{")
    for match in _TOKENS.finditer(raw):
        first = raw[match.start()]
        if first == 0x22:
            continue
        if first in b"[{":
            now += 1
            if now > deepest:
                deepest = now
                if deepest > MAX_DEPTH:
                    break
        else:
            now -= 1
    return deepest


def has_repeated_key(value: object) -> bool:
    """Whether any object inside repeats a key."""
    return any(isinstance(inner, Repeated) for inner in _walk(value))


def has_huge_number(value: object) -> bool:
    """Whether any number inside is beyond a double."""
    return any(isinstance(inner, HugeNumber) for inner in _walk(value))


def canonical(value: object) -> str:
    """The JSON text of a value: sorted keys, no blanks, UTF-8; strings as RFC 8785 writes them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _walk(value: object) -> Any:
    todo: deque[object] = deque([value])
    while todo:
        inner = todo.pop()
        yield inner
        if isinstance(inner, dict):
            todo.extend(inner.values())
        elif isinstance(inner, list):
            todo.extend(inner)


def _encodable(value: object) -> bool:
    for inner in _walk(value):
        texts = chain([inner], ()) if isinstance(inner, str) else iter(inner) if isinstance(inner, dict) else ()
        for text in texts:
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(found)


def _integer(text: str) -> int | HugeNumber:
    return HugeNumber(text) if len(text) > 309 or abs(float(text)) == float("inf") else int(text)


def _float(text: str) -> float | HugeNumber:
    number = float(text)
    return HugeNumber(text) if abs(number) == float("inf") else number


def _constant(_text: str) -> NoReturn:
    raise RejectedRecord("nan_or_infinity")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
