"""The last touch on the PDF: what PDF/A-3a and PDF/UA-1 ask for and the renderer does not write.

It runs inside the renderer, on the finished objects, before a byte is written: the file is never opened again.

Source: ISO 19005-3, 6.1.7.1 (length of streams), 6.6.2.3 (extension schemas) and 6.8 (associated files); ISO 14289-1,
5 (version identification) and 7.18.5 (alternate descriptions of links).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pydyf  # type: ignore[import-untyped]

from kubedossier.reports.pdf_structure import Structure

_UA = b"""<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"><pdfuaid:part>1</pdfuaid:part>\
</rdf:Description><rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" \
xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">\
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">\
<pdfaSchema:schema>PDF/UA Universal Accessibility Schema</pdfaSchema:schema>\
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>\
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">\
<pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>\
<pdfaProperty:category>internal</pdfaProperty:category>\
<pdfaProperty:description>Part of ISO 14289 that the file conforms to</pdfaProperty:description>\
</rdf:li></rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"""
_END = b"</rdf:RDF>"
_LEVEL = 9
_LINE_AND_END = b"\nendstream"


def finisher(targets: Mapping[str, str], files: Sequence[tuple[bytes, int]]) -> Callable[[Any, pydyf.PDF], None]:
    """A hook for ``write_pdf`` that completes the claims.

    Args:
        targets: a sentence for a link by the anchor it leads to.
        files: all that is attached, in order, as zlib packed it, and the size of each before.
    """

    def finish(_: Any, pdf: pydyf.PDF) -> None:
        _claim_ua(pdf)
        _unique_associated_files(pdf)
        _describe_links(pdf, targets)
        Structure(pdf).complete()
        pdf.catalog["ViewerPreferences"] = pydyf.Dictionary({"DisplayDocTitle": "true"})
        _pack_files(pdf, files)
        _compress_once(pdf)

    return finish


@contextmanager
def clear_ends() -> Iterator[None]:
    """While it lasts, no last byte of a stream can be taken for a part of the end of line that is written behind it."""
    usual = pydyf.Stream.data

    def data(stream: pydyf.Stream) -> bytes:
        written: bytes = usual.fget(stream)
        ends_with_return = written.endswith(b"\r" + _LINE_AND_END)
        return written.removesuffix(_LINE_AND_END) + b"\r" + _LINE_AND_END if ends_with_return else written

    pydyf.Stream.data = property(data)
    try:
        yield
    finally:
        pydyf.Stream.data = usual


def _claim_ua(pdf: pydyf.PDF) -> None:
    for item in pdf.objects:
        if isinstance(item, pydyf.Stream) and item.extra.get("Type") == "/Metadata":
            item.stream = [part.replace(_END, _UA + _END) for part in item.stream]
            item.compress = False  # any program is to find it


def _unique_associated_files(pdf: pydyf.PDF) -> None:
    if "AF" in pdf.catalog:
        pdf.catalog["AF"] = pydyf.Array(dict.fromkeys(pdf.catalog["AF"]))


def _describe_links(pdf: pydyf.PDF, targets: Mapping[str, str]) -> None:
    for item in pdf.objects:
        if isinstance(item, pydyf.Dictionary) and item.get("Subtype") == "/Link" and "Dest" in item:
            anchor = item["Dest"].string
            item["Contents"] = pydyf.String(targets.get(anchor, "Go to this place in the report"))


def _pack_files(pdf: pydyf.PDF, files: Sequence[tuple[bytes, int]]) -> None:
    """Put what is packed already in the place of what the writer would pack."""
    held = [one for one in pdf.objects if isinstance(one, pydyf.Stream) and one.extra.get("Type") == "/EmbeddedFile"]
    for item, (packed, size_bytes) in zip(held, files, strict=True):
        if item.extra["Params"]["Size"] != size_bytes:
            raise ValueError("The attached files are not in the order in which they were given")
        _put(item, packed)


def _compress_once(pdf: pydyf.PDF) -> None:
    """Compress what the writer would compress twice: to write it, and for the file's identifier."""
    for item in pdf.objects:
        if isinstance(item, pydyf.Stream) and item.compress and all(isinstance(part, bytes) for part in item.stream):
            _put(item, zlib.compress(b"\n".join(item.stream), _LEVEL))


def _put(item: pydyf.Stream, packed: bytes) -> None:
    item.stream = [packed]
    item.extra["Filter"] = "/FlateDecode"
    item.compress = False
