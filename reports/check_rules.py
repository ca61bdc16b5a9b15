"""The rules about the file as a document: closed, archival, readable by everybody and for long.

Source: ISO 19005-3 (PDF/A-3), ISO 14289-1 (PDF/UA-1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubedossier.analytics.store.verify import Finding
from kubedossier.reports.check_document import Document, Rule, demand

_ACTS = (
    "/JavaScript", "/Launch", "/URI", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/Rendition", "/Movie",
    "/Sound",
)  # fmt: skip


def sound_syntax(document: Document) -> Iterator[Finding]:
    """The file's own tables and streams hold together."""
    for problem in document.pdf.check_pdf_syntax():
        yield Finding("sound-syntax", "the file", "no error of syntax", problem[:120])


def not_encrypted(document: Document) -> Iterator[Finding]:
    """An archive has no password."""
    yield from demand(not document.pdf.is_encrypted, "not-encrypted", "the file", "no encryption", "encryption")


def written_once(document: Document) -> Iterator[Finding]:
    """Nothing was appended after the file was made."""
    ends = document.data.count(b"startxref")
    yield from demand(ends == 1, "written-once", "the file", "one section", f"{ends} sections")
    tail = document.data.rstrip(b"\r\n ")[-5:]
    yield from demand(tail == b"%%EOF", "written-once", "the end", "%%EOF", tail)


def no_actions(document: Document) -> Iterator[Finding]:
    """Nothing in the file runs, loads or leads outside."""
    for one in document.dictionaries:
        if str(one.get("/S", "")) in _ACTS or "/JS" in one:
            yield Finding("no-actions", "an action", "none that runs or leads outside", str(one.get("/S", "/JS")))


def nothing_at_opening(document: Document) -> Iterator[Finding]:
    """Nothing happens when the file or a page is opened."""
    holders = [
        ("the catalog", document.pdf.Root),
        *((f"page {n}", page) for n, page in enumerate(document.pdf.pages, 1)),
    ]
    for where, one in holders:
        for key in ("/OpenAction", "/AA"):
            yield from demand(key not in one, "nothing-at-opening", where, f"no {key}", key)


def no_scripts(document: Document) -> Iterator[Finding]:
    """The file names no scripts."""
    names = document.pdf.Root.get("/Names", {})
    yield from demand("/JavaScript" not in names, "no-scripts", "the names", "no /JavaScript", "/JavaScript")


def no_form(document: Document) -> Iterator[Finding]:
    """The report is no form."""
    yield from demand("/AcroForm" not in document.pdf.Root, "no-form", "the catalog", "no /AcroForm", "/AcroForm")


def only_links(document: Document) -> Iterator[Finding]:
    """There are no annotations but links."""
    for page, one in document.annotations:
        yield from demand(one.Subtype == "/Link", "only-links", f"page {page}", "/Link", one.Subtype)


def links_stay_inside(document: Document) -> Iterator[Finding]:
    """Each link leads to a place in the file."""
    for page, one in document.annotations:
        yield from demand("/Dest" in one and "/A" not in one, "links-stay-inside", f"page {page}", "/Dest", "/A")


def links_are_described(document: Document) -> Iterator[Finding]:
    """Each link says in words where it leads."""
    for page, one in document.annotations:
        yield from demand(
            bool(str(one.get("/Contents", ""))), "links-are-described", f"page {page}", "/Contents", "none"
        )


def no_outside_streams(document: Document) -> Iterator[Finding]:
    """No stream lies in another file."""
    import pikepdf

    for one in document.dictionaries:
        if isinstance(one, pikepdf.Stream) and "/F" in one:
            yield Finding("no-outside-streams", "a stream", "its data in the file", "/F")


def has_language(document: Document) -> Iterator[Finding]:
    """The language of the text is named."""
    found = str(document.pdf.Root.get("/Lang", ""))
    yield from demand(
        bool(re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", found)), "has-language", "the catalog", "/Lang", found
    )


def is_marked(document: Document) -> Iterator[Finding]:
    """The file says that it is tagged."""
    mark = document.pdf.Root.get("/MarkInfo", {})
    yield from demand(bool(mark.get("/Marked", False)), "is-marked", "the catalog", "/Marked true", "not so")


def has_structure(document: Document) -> Iterator[Finding]:
    """There is a structure tree."""
    found = "/StructTreeRoot" in document.pdf.Root
    yield from demand(found, "has-structure", "the catalog", "/StructTreeRoot", "none")


def pages_have_structure(document: Document) -> Iterator[Finding]:
    """Each page leads into the structure tree."""
    for number, page in enumerate(document.pdf.pages, 1):
        yield from demand("/StructParents" in page, "pages-have-structure", f"page {number}", "/StructParents", "none")


def tabs_follow_structure(document: Document) -> Iterator[Finding]:
    """Pages with links are walked in the order of the structure."""
    for number, page in enumerate(document.pdf.pages, 1):
        if "/Annots" in page:
            yield from demand(
                page.get("/Tabs") == "/S", "tabs-follow-structure", f"page {number}", "/S", page.get("/Tabs")
            )


def figures_are_described(document: Document) -> Iterator[Finding]:
    """Each figure has a sentence for those who cannot see it."""
    for number, one in enumerate(document.elements("/Figure"), 1):
        yield from demand(bool(str(one.get("/Alt", ""))), "figures-are-described", f"figure {number}", "/Alt", "none")


def tables_have_heads(document: Document) -> Iterator[Finding]:
    """Each table begins with a row of heads."""
    for number, one in enumerate(document.elements("/Table"), 1):
        kinds = [str(kid.get("/S", "")) for kid in one.get("/K", [])]
        yield from demand("/THead" in kinds, "tables-have-heads", f"table {number}", "/THead", kinds)


def cells_name_their_heads(document: Document) -> Iterator[Finding]:
    """Each cell of a table says which heads it belongs to."""
    for number, one in enumerate(document.elements("/TD"), 1):
        found = "/Headers" in one.get("/A", {})
        yield from demand(found, "cells-name-their-heads", f"cell {number}", "/Headers", "none")


def heads_have_a_scope(document: Document) -> Iterator[Finding]:
    """Each head of a table says whether it is that of a column or of a row."""
    for number, one in enumerate(document.elements("/TH"), 1):
        found = one.get("/A", {}).get("/Scope", "none")
        yield from demand(
            found in ("/Column", "/Row"), "heads-have-a-scope", f"head {number}", "/Column or /Row", found
        )


def lists_hold_items(document: Document) -> Iterator[Finding]:
    """Each list is made of items, and each item of a label and a body."""
    parts = {"/L": {"/LI", "/L", "/Caption"}, "/LI": {"/Lbl", "/LBody"}}
    for kind, may_hold in parts.items():
        for number, one in enumerate(document.elements(kind), 1):
            found = {str(kid.S) for kid in document.kids(one)} - may_hold
            where = f"{'list' if kind == '/L' else 'item'} {number}"
            yield from demand(not found, "lists-hold-items", where, " ".join(sorted(may_hold)), " ".join(sorted(found)))
    for number, one in enumerate(document.elements("/LI"), 1):
        yield from demand(one.P.get("/S") == "/L", "lists-hold-items", f"item {number}", "a list", one.P.get("/S"))


def text_is_in_the_tree(document: Document) -> Iterator[Finding]:
    """What a page marks as text stands in the structure tree; running heads and feet are marked as such."""
    import pikepdf

    owners = pikepdf.NumberTree(document.pdf.Root.StructTreeRoot.ParentTree)
    for number, page in enumerate(document.pdf.pages, 1):
        lost = [one for one in owners[page.StructParents] if one is not None and one.objgen not in document.tree]
        yield from demand(not lost, "text-is-in-the-tree", f"page {number}", "all of it", f"{len(lost)} pieces outside")


def has_bookmarks(document: Document) -> Iterator[Finding]:
    """The file can be walked by bookmarks."""
    found = document.pdf.Root.get("/Outlines", {})
    yield from demand("/First" in found, "has-bookmarks", "the catalog", "/Outlines", "none")


def title_is_shown(document: Document) -> Iterator[Finding]:
    """A reader's window shows the title and not the name of the file."""
    found = document.pdf.Root.get("/ViewerPreferences", {}).get("/DisplayDocTitle", False)
    yield from demand(bool(found), "title-is-shown", "the catalog", "/DisplayDocTitle true", "not so")


def has_output_intent(document: Document) -> Iterator[Finding]:
    """Colours are defined by a profile in the file."""
    intents = [one for one in document.pdf.Root.get("/OutputIntents", []) if one.get("/S") == "/GTS_PDFA1"]
    yield from demand(len(intents) == 1, "has-output-intent", "the catalog", "one /GTS_PDFA1", len(intents))
    for one in intents:
        found = one.get("/DestOutputProfile", None)
        yield from demand(found is not None, "has-output-intent", "the output intent", "/DestOutputProfile", "none")


def metadata_is_plain(document: Document) -> Iterator[Finding]:
    """The metadata is one XML document that any program can find."""
    yield from demand("/Metadata" in document.pdf.Root, "metadata-is-plain", "the catalog", "/Metadata", "none")
    packed = "/Filter" in document.pdf.Root.get("/Metadata", {})
    yield from demand(not packed, "metadata-is-plain", "the metadata", "not packed", "/Filter")
    number = document.xmp.count("<rdf:RDF")
    yield from demand(number == 1, "metadata-is-plain", "the metadata", "one rdf:RDF", number)


def claims_archive(document: Document) -> Iterator[Finding]:
    """The file says that it is PDF/A-3a."""
    found = 'pdfaid:part="3"' in document.xmp and 'pdfaid:conformance="A"' in document.xmp
    yield from demand(found, "claims-archive", "the metadata", "PDF/A-3a", "no such claim")


def claims_access(document: Document) -> Iterator[Finding]:
    """The file says that it is PDF/UA-1."""
    found = "<pdfuaid:part>1</pdfuaid:part>" in document.xmp
    yield from demand(found, "claims-access", "the metadata", "PDF/UA-1", "no such claim")


def titles_agree(document: Document) -> Iterator[Finding]:
    """The title in the metadata is that of the document's information."""
    from html import escape

    found = str(document.pdf.docinfo.get("/Title", ""))
    agree = bool(found) and f">{escape(found, quote=False)}<" in document.xmp
    yield from demand(agree, "titles-agree", "the metadata", "the title", found)


def fonts_are_embedded(document: Document) -> Iterator[Finding]:
    """Every font travels with the file."""
    for one in document.dictionaries:
        if one.get("/Type") == "/FontDescriptor":
            found = any(f"/FontFile{n}" in one for n in ("", "2", "3"))
            yield from demand(found, "fonts-are-embedded", str(one.get("/FontName", "a font")), "a font file", "none")


def text_can_be_copied(document: Document) -> Iterator[Finding]:
    """Every font says which character a glyph means."""
    for one in document.dictionaries:
        if one.get("/Type") == "/Font" and one.get("/Subtype") in ("/Type0", "/Type3", "/TrueType", "/Type1"):
            found = "/ToUnicode" in one
            yield from demand(found, "text-can-be-copied", str(one.get("/BaseFont", "a font")), "/ToUnicode", "none")


def images_are_plain(document: Document) -> Iterator[Finding]:
    """No image is smoothed by the reader's program, or has another one in its place."""
    for one in document.dictionaries:
        if one.get("/Subtype") == "/Image":
            plain = not one.get("/Interpolate", False) and "/Alternates" not in one and "/OPI" not in one
            yield from demand(plain, "images-are-plain", "an image", "no /Interpolate, no other", "one")


def pages_are_alike(document: Document) -> Iterator[Finding]:
    """All pages have the same size."""
    sizes = {tuple(round(float(side), 1) for side in page.MediaBox) for page in document.pdf.pages}
    yield from demand(len(sizes) == 1, "pages-are-alike", "the pages", "one size", len(sizes))


RULES: tuple[Rule, ...] = (
    sound_syntax,
    not_encrypted,
    written_once,
    no_actions,
    nothing_at_opening,
    no_scripts,
    no_form,
    only_links,
    links_stay_inside,
    links_are_described,
    no_outside_streams,
    has_language,
    is_marked,
    has_structure,
    pages_have_structure,
    tabs_follow_structure,
    figures_are_described,
    tables_have_heads,
    cells_name_their_heads,
    heads_have_a_scope,
    lists_hold_items,
    text_is_in_the_tree,
    has_bookmarks,
    title_is_shown,
    has_output_intent,
    metadata_is_plain,
    claims_archive,
    claims_access,
    titles_agree,
    fonts_are_embedded,
    text_can_be_copied,
    images_are_plain,
    pages_are_alike,
)
