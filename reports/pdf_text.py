"""The text of a page of a PDF, as a reader's program would copy it: by the fonts' ToUnicode maps.

Only for the check of a report; it knows what such a report holds (composite fonts with two-byte codes) and no more.
"""

from __future__ import annotations

import re
from typing import Any

_CHAR = re.compile(rb"<([0-9a-fA-F]{4})>\s*<([0-9a-fA-F]+)>")
_BLOCK = re.compile(rb"beginbfchar(.*?)endbfchar", re.S)


def page_text(page: Any) -> str:
    """The characters of a page in the order they are drawn; empty for fonts that cannot be read."""
    import pikepdf

    maps: dict[str, dict[int, str]] = {}
    for name, font in page.Resources.get("/Font", {}).items():
        maps[name] = _map(font)
    drawn: list[str] = []
    current: dict[int, str] = {}
    for step in pikepdf.parse_content_stream(page):
        operator, operands = str(step.operator), list(step.operands)
        if operator == "Tf":
            current = maps.get(str(operands[0]), {})
        elif operator in ("TJ", "Tj"):
            parts = operands[0] if operator == "TJ" else operands
            drawn += [_decoded(bytes(part), current) for part in parts if isinstance(part, pikepdf.String)]
    return "".join(drawn)


def _map(font: Any) -> dict[int, str]:
    if "/ToUnicode" not in font:
        return {}
    blocks = b"".join(_BLOCK.findall(font.ToUnicode.read_bytes()))
    return {
        int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be", "replace")
        for code, text in _CHAR.findall(blocks)
    }


def _decoded(data: bytes, of: dict[int, str]) -> str:
    codes = (int.from_bytes(data[start : start + 2], "big") for start in range(0, len(data) - 1, 2))
    return "".join(of.get(code, "\ufffd") for code in codes)
