"""Reads fields of a parsed object by type: what does not fit costs a flag, never the record."""

from __future__ import annotations

from typing import Any

from kubedossier.analytics.ingest.parsing import (
    RejectedRecord,
    Repeated,
    canonical,
    has_huge_number,
    has_repeated_key,
)


class Reader:
    """Typed reading of one object's known fields.

    Attributes:
        flags: ``wrong_type:FIELD`` for each field of the wrong type; shared with readers of inner objects.
        wrong: the JSON text of each such value, which stands for it in the event's identity.
    """

    def __init__(self, value: dict[str, Any], *, prefix: str = "", flags: list[str] | None = None) -> None:
        self._value = value
        self._prefix = prefix
        self.flags: list[str] = [] if flags is None else flags
        self.wrong: dict[str, str] = {}

    def text(self, key: str) -> str | None:
        """A string; empty counts as absent."""
        value = self._value.get(key)
        if type(value) is str:
            return value or None
        self._refuse(key, value)
        return None

    def texts(self, key: str) -> list[str] | None:
        """A list of strings; empty counts as absent."""
        value = self._value.get(key)
        if isinstance(value, list) and all(type(one) is str for one in value):
            return value or None
        self._refuse(key, value)
        return None

    def text_map(self, key: str) -> dict[str, str] | None:
        """A map from string to string; empty counts as absent."""
        value = self._value.get(key)
        if isinstance(value, dict) and all(type(one) is str for one in value.values()):
            return value or None
        self._refuse(key, value)
        return None

    def inner(self, key: str, *, stands_for: str = "username") -> dict[str, Any] | None:
        """An object; one of another type stands for ``KEY.username`` in the identity."""
        value = self._value.get(key)
        if isinstance(value, dict):
            return value or None
        if value is not None and value not in ("", []):
            self._refuse(key, value)
            self.wrong[f"{self._prefix}{key}.{stands_for}"] = self.wrong.pop(self._prefix + key)
        return None

    def number(self, key: str) -> int | None:
        """An integer that fits 32 bits."""
        value = self._value.get(key)
        if type(value) is int and abs(value) < 2**31:
            return value
        self._refuse(key, value)
        return None

    def _refuse(self, key: str, value: object) -> None:
        if value is None or value == "" or value == [] or value == {}:
            return
        if has_huge_number(value):
            raise RejectedRecord("number_out_of_range")
        self.flags.append(f"wrong_type:{self._prefix}{key}")
        self.wrong[self._prefix + key] = canonical(value)


def read_flags(
    value: dict[str, Any], known: frozenset[str], known_inner: frozenset[str], inner_key: str
) -> tuple[str, ...]:
    """Flags about the object as a whole: ``unknown_field``, ``duplicate_key``, ``huge_number``."""
    flags = []
    if not value.keys() <= known or (known_inner and not value[inner_key].keys() <= known_inner):
        flags.append("unknown_field")
    if isinstance(value, Repeated) or has_repeated_key(value):
        flags.append("duplicate_key")
    if has_huge_number(value):
        flags.append("huge_number")
    return tuple(flags)
