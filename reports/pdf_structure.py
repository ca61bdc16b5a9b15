"""The structure tree and the running texts of the PDF, as PDF/UA-1 asks for them and the renderer does not write them.

Works on the finished objects, like the rest of the last touch; changes nothing that is seen.

Source: ISO 14289-1, 7.5 (heads of tables), 7.6 (lists), 7.8 (running heads and feet); ISO 32000-1, 14.8.2.2
(artifacts) and 14.8.4.3 (lists).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pydyf  # type: ignore[import-untyped]

_PIXEL_PT = 0.75
"""A unit of the renderer's pages, in points."""
_Element = Any
"""A structure element: a dictionary of pydyf's, whose kids are references, or numbers of marked content."""


class Structure:
    """The structure tree of a document that is about to be written."""

    def __init__(self, pdf: pydyf.PDF) -> None:
        self._pdf = pdf
        self._elements: dict[bytes, _Element] = {
            one.reference: one
            for one in pdf.objects
            if isinstance(one, pydyf.Dictionary) and one.get("Type") == "/StructElem"
        }
        self._root = next(
            one for one in pdf.objects if isinstance(one, pydyf.Dictionary) and one.get("Type") == "/StructTreeRoot"
        )

    def complete(self) -> None:
        """Write what is missing."""
        elements = list(self._elements.values())
        for one in elements:
            if one["S"] == "/L":
                self._itemise(one)
            elif one["S"] == "/TH":
                self._give_scope(one)
        for one in elements:
            if one["S"] == "/LI":
                self._give_body(one)
        self._set_running_apart()

    def _kids(self, element: _Element) -> Iterator[_Element]:
        return (self._elements[kid] for kid in element["K"] if isinstance(kid, bytes) and kid in self._elements)

    def _itemise(self, element: _Element) -> None:
        """Terms and what is said of them, side by side: each pair is an item, its term the label."""
        for pair in self._kids(element):
            if pair["S"] != "/Div":
                continue
            pair["S"] = "/LI"
            for number, part in enumerate(self._kids(pair)):
                part["S"] = "/LBody" if number else "/Lbl"
                for inner in self._kids(part):
                    inner["S"] = "/NonStruct" if inner["S"] == "/LBody" else inner["S"]

    def _give_body(self, item: _Element) -> None:
        """What stands in an item without being its label is its body."""
        bare = [kid for kid in self._kids(item) if kid["S"] not in ("/Lbl", "/LBody")]
        if not bare:
            return
        inside = pydyf.Array(kid.reference for kid in bare)
        body = pydyf.Dictionary(
            {"Type": "/StructElem", "S": "/LBody", "K": inside, "Pg": item["Pg"], "P": item.reference}
        )
        self._pdf.add_object(body)
        self._elements[body.reference] = body
        for kid in bare:
            kid["P"] = body.reference
        item["K"] = pydyf.Array([*(kid for kid in item["K"] if kid not in inside), body.reference])

    def _give_scope(self, element: _Element) -> None:
        """A head says whether it stands over a column or before a row."""
        row = self._elements[element["P"]]
        element["A"]["Scope"] = "/Column" if self._elements[row["P"]]["S"] == "/THead" else "/Row"

    def _set_running_apart(self) -> None:
        """Running heads and feet are of the page, not of the text."""
        reached = set(self._reached())
        tree = self._object(self._root["ParentTree"])["Nums"]
        owners = dict(zip(tree[::2], tree[1::2], strict=True))
        for page in self._pdf.objects:
            if isinstance(page, pydyf.Dictionary) and page.get("Type") == "/Page":
                owner_of = owners[page["StructParents"]]
                running = {number for number, owner in enumerate(owner_of) if owner not in reached}
                _mark(self._object(page["Contents"]).stream, running, page["MediaBox"][3] / _PIXEL_PT)
                for number in running:
                    owner_of[number] = "null"
        for reference, one in self._elements.items():
            if reference not in reached:
                one.clear()

    def _reached(self) -> Iterator[bytes]:
        """The elements that the tree holds; what runs along the pages has some, too, that nothing leads to."""
        todo = list(self._root["K"])
        while todo:
            reference = todo.pop()
            yield reference
            todo += (kid for kid in self._elements[reference]["K"] if isinstance(kid, bytes) and kid in self._elements)

    def _object(self, reference: bytes) -> Any:
        return self._pdf.objects[int(reference.split()[0])]


def _mark(stream: list[Any], running: set[int], height: float) -> None:
    """Marked content of these numbers becomes an artifact; on which side of the page it stands tells which kind."""
    for at, part in enumerate(stream):
        if part != b"BDC" or stream[at - 1].get("MCID") not in running:
            continue
        place = next(one for one in stream[at:] if isinstance(one, bytes) and one.endswith(b" Tm"))
        kind = "/Header" if float(place.split()[5]) < height / 2 else "/Footer"
        stream[at - 2 : at] = ["/Artifact", pydyf.Dictionary({"Type": "/Pagination", "Subtype": kind})]
