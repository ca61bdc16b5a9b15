"""What the rules about a finished report look at: the open PDF, and how a rule says what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from kubedossier.analytics.store.verify import Finding


class Document:
    """An open PDF and its bytes."""

    def __init__(self, pdf: Any, data: bytes) -> None:
        self.pdf = pdf
        self.data = data

    @cached_property
    def dictionaries(self) -> list[Any]:
        """All dictionaries and streams of the file, also those that stand inside others."""
        import pikepdf

        holders = (pikepdf.Dictionary, pikepdf.Stream, pikepdf.Array)
        found: list[Any] = []
        waiting = [one for one in self.pdf.objects if isinstance(one, holders)]
        while waiting:
            one = waiting.pop()
            if not isinstance(one, pikepdf.Array):
                found.append(one)
            held = one if isinstance(one, pikepdf.Array) else one.values()
            waiting += [inner for inner in held if isinstance(inner, holders) and not inner.is_indirect]
        return found

    @cached_property
    def annotations(self) -> list[tuple[int, Any]]:
        """All annotations with the number of their page."""
        return [(n, one) for n, page in enumerate(self.pdf.pages, 1) for one in page.get("/Annots", [])]

    def elements(self, kind: str) -> list[Any]:
        """The structure elements of a kind, such as ``/Figure``."""
        return [one for one in self.dictionaries if one.get("/S") == kind and "/P" in one]

    def kids(self, element: Any) -> list[Any]:
        """The structure elements that stand directly in one; its own text is none."""
        import pikepdf

        held = element.get("/K", [])
        some = held if isinstance(held, pikepdf.Array) else [held]
        return [one for one in some if isinstance(one, pikepdf.Dictionary) and "/S" in one]

    @cached_property
    def tree(self) -> set[tuple[int, int]]:
        """The structure elements that the tree holds, by their numbers in the file."""
        found: set[tuple[int, int]] = set()
        waiting = self.kids(self.pdf.Root.StructTreeRoot)
        while waiting:
            one = waiting.pop()
            if one.objgen not in found:
                found.add(one.objgen)
                waiting += self.kids(one)
        return found

    @cached_property
    def xmp(self) -> str:
        """The metadata as text; empty where there is none."""
        return self.pdf.Root.Metadata.read_bytes().decode("utf-8", "replace") if "/Metadata" in self.pdf.Root else ""


Rule = Callable[[Document], Iterator[Finding]]


def demand(holds: bool, rule: str, where: str, expected: str, found: object) -> Iterator[Finding]:
    """Nothing where a rule holds, else its finding."""
    if not holds:
        yield Finding(rule, where, expected, str(found)[:120])
