"""What a user's template may write: headings, text, lists and tables, and values between tags, never inside one.

A template joins a document that has to stay valid, archival and closed to the outside, whatever events hold. So no
tag that could load, run or hide anything is let through, and each tag that is opened is closed.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

VALUE, BLOCK = "\ufdd0", "\ufdd1"
"""Stand for a value and for a statement of the template where its markup is read."""
_BLOCKS = frozenset(("h3", "h4", "p", "ul", "ol", "dl", "div", "table"))
_TAGS = _BLOCKS | {
    "li", "dt", "dd", "span", "strong", "em", "code", "br", "thead", "tbody", "tfoot", "tr", "th", "td",
}  # fmt: skip
_GIVEN_TAGS = _TAGS | {"a", "colgroup", "col", "wbr"}
_GIVEN = frozenset(("class", "scope", "id", "href", "style", "aria-label", "data-key"))
_VOID = ("br", "col", "wbr")


class MarkupError(ValueError):
    """Markup that a section may not hold: the line, and what is wrong with it."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def check(markup: str, *, given: bool = False) -> None:
    """Read the markup of a template, or, where it is ``given``, what came of it, with the pieces of the package.

    Raises:
        MarkupError: a tag or an attribute is none that a section may hold, or a tag is not closed.
    """
    reader = _Reader(given)
    reader.feed(markup)
    reader.close()
    if reader.open:
        name, line = reader.open[-1]
        raise MarkupError(line, f"<{name}> is not closed")


class _Reader(HTMLParser):
    def __init__(self, given: bool) -> None:
        super().__init__(convert_charrefs=False)
        self._given = given
        self.open: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if VALUE in tag or BLOCK in tag or any(c in f"{key}{value}" for key, value in attrs for c in (VALUE, BLOCK)):
            raise self._wrong("a value or a statement may stand between tags only, not inside one")
        if tag not in (_GIVEN_TAGS if self._given else _TAGS):
            raise self._wrong(f"<{tag}> may not be used; there are {', '.join(sorted(_TAGS))}")
        for key, value in attrs:
            self._attribute(tag, key, value or "")
        if tag == "th" and dict(attrs).get("scope") not in ("col", "row"):
            raise self._wrong('<th> needs scope="col" or scope="row", for those who hear the table')
        if tag in _BLOCKS and any(name == "p" for name, _ in self.open):
            raise self._wrong(f"<p> cannot hold <{tag}>")
        if tag not in _VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            raise self._wrong(f"<{tag}/> does not close itself")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            expected = f"</{self.open[-1][0]}>" if self.open else "no such tag"
            raise self._wrong(f"</{tag}> stands where {expected} is expected")
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "<" in data:
            raise self._wrong("a '<' that begins no tag is written &lt;")

    def handle_comment(self, data: str) -> None:
        raise self._wrong("a comment is written {# ... #}")

    def handle_decl(self, decl: str) -> None:
        raise self._wrong(f"<!{decl[:20]}> may not be used")

    def unknown_decl(self, data: str) -> None:
        raise self._wrong("<![...]> may not be used")

    def handle_pi(self, data: str) -> None:
        raise self._wrong("<?...> may not be used")

    def _attribute(self, tag: str, key: str, value: str) -> None:
        if self._given and key in _GIVEN:
            if key == "href" and not re.fullmatch(r"#[A-Za-z0-9_-]+", value):
                raise self._wrong("a link leads into the report only")
            if key == "style" and not (tag == "col" and re.fullmatch(r"width: [\d.]+%", value)):
                raise self._wrong("styles are those of the report")
            return
        if key not in ("class", "scope"):
            raise self._wrong(f"'{key}' may not be used; there are class and scope")
        if not re.fullmatch(r"[a-z0-9 -]*", value):
            raise self._wrong(f"'{value}' is no name of a class")

    def _wrong(self, what: str) -> MarkupError:
        return MarkupError(self.getpos()[0], what)
