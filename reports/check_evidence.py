"""The rules about the evidence in the file: attachments, manifest and seal say the same, also on the cover."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubedossier.analytics.store.verify import Finding
from kubedossier.reports.check_document import Document, Rule, demand
from kubedossier.reports.evidence import MANIFEST_NAME
from kubedossier.reports.pdf_text import page_text


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report says of itself; empty where it cannot be read.

    Attributes:
        number, seal, head: as its manifest has them.
        made_with: what counted and what set the pages, each with its version.
    """

    number: str = ""
    seal: str = ""
    head: tuple[int, str] = (0, "")
    made_with: tuple[str, ...] = ()


def facts(document: Document) -> Facts:
    """Report number, seal and ledger entry."""
    data = _files(document).get(MANIFEST_NAME)
    try:
        held = json.loads(data or b"")
        head = (int(held["archive"]["entry"]), str(held["archive"]["entry_sha256"]))
        seal = hashlib.sha256(data or b"").hexdigest()
        return Facts(str(held["report"]["number"]), seal, head, _made_with(held, document))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Facts()


def _made_with(manifest: Any, document: Document) -> tuple[str, ...]:
    """What counted, by the manifest, and what set the pages, by the document's information."""
    counted = tuple(f"{name} {version}" for name, version in manifest["tools"].items())
    _, _, setting = str(document.pdf.docinfo.get("/Creator", "")).removesuffix(")").partition(" (")
    return tuple(one[:100] for one in (*counted, *setting.split(", ")) if one)[:50]


def files_are_associated(document: Document) -> Iterator[Finding]:
    """Each attached file belongs to the document, once, as its data or its source."""
    specs = _specs(document)
    listed = [one.objgen for one in document.pdf.Root.get("/AF", [])]
    for name, one in specs.items():
        times = listed.count(one.objgen)
        yield from demand(times == 1, "files-are-associated", name, "once in /AF", times)
        kind = str(one.get("/AFRelationship", ""))
        yield from demand(kind in ("/Data", "/Source"), "files-are-associated", name, "/Data or /Source", kind)
    yield from demand(len(listed) == len(specs), "files-are-associated", "/AF", str(len(specs)), len(listed))


def files_are_described(document: Document) -> Iterator[Finding]:
    """Each attached file has a type, a date, and a sentence on what it is."""
    for name, one in _specs(document).items():
        stream = one.EF.F
        for holder, key in (
            (one, "/Desc"),
            (one, "/UF"),
            (stream, "/Subtype"),
            (stream.get("/Params", {}), "/ModDate"),
        ):
            yield from demand(key in holder, "files-are-described", name, key, "none")


def has_manifest(document: Document) -> Iterator[Finding]:
    """The evidence manifest is attached and can be read."""
    data = _files(document).get(MANIFEST_NAME)
    yield from demand(data is not None, "has-manifest", MANIFEST_NAME, "an attachment", "none")
    if data is not None:
        yield from demand(bool(facts(document).seal), "has-manifest", MANIFEST_NAME, "a manifest", data[:40])


def files_are_as_listed(document: Document) -> Iterator[Finding]:
    """Each attached file has the SHA-256 that the manifest says, and none is missing or added."""
    files = _files(document)
    listed = _listed(files)
    for name in sorted(listed.keys() | files.keys() - {MANIFEST_NAME}):
        found = hashlib.sha256(files[name]).hexdigest() if name in files else "not attached"
        yield from demand(
            listed.get(name) == found, "files-are-as-listed", name, listed.get(name, "no such file"), found
        )


def seal_is_in_the_metadata(document: Document) -> Iterator[Finding]:
    """The seal in the document's information and metadata is the SHA-256 of the manifest."""
    seal = facts(document).seal
    information = str(document.pdf.docinfo.get("/Keywords", ""))
    yield from demand(information == f"sha256:{seal}", "seal-is-in-the-metadata", "the information", seal, information)
    in_xmp = re.findall(r"<pdf:Keywords>sha256:([0-9a-f]{64})<", document.xmp)
    yield from demand(in_xmp == [seal], "seal-is-in-the-metadata", "the metadata", seal, in_xmp)


def seal_is_on_the_cover(document: Document) -> Iterator[Finding]:
    """The seal printed on the cover is the SHA-256 of the manifest."""
    text = re.sub(r"\s", "", page_text(document.pdf.pages[0]))
    seal = facts(document).seal
    holds = bool(seal) and seal in text
    yield from demand(holds, "seal-is-on-the-cover", "page 1", seal or "a manifest", "another digest or none")


def identifier_is_the_seal(document: Document) -> Iterator[Finding]:
    """The file's identifier is the first half of the seal, as text."""
    found = bytes(document.pdf.trailer.ID[0]).decode("ascii", "replace") if "/ID" in document.pdf.trailer else "none"
    yield from demand(
        found == facts(document).seal[:32], "identifier-is-the-seal", "/ID", facts(document).seal[:32], found
    )


def _specs(document: Document) -> dict[str, Any]:
    names = document.pdf.Root.get("/Names", {}).get("/EmbeddedFiles", {}).get("/Names", [])
    return {str(names[n]): names[n + 1] for n in range(0, len(names) - 1, 2)}


def _files(document: Document) -> dict[str, bytes]:
    """The attached files by name."""
    return {str(one.get("/UF", name)): one.EF.F.read_bytes() for name, one in _specs(document).items()}


def _listed(files: dict[str, bytes]) -> dict[str, str]:
    try:
        return {str(one["file"]): str(one["file_sha256"]) for one in json.loads(files[MANIFEST_NAME])["queries"]}
    except (ValueError, KeyError, TypeError):
        return {}


RULES: tuple[Rule, ...] = (
    files_are_associated,
    files_are_described,
    has_manifest,
    files_are_as_listed,
    seal_is_in_the_metadata,
    seal_is_on_the_cover,
    identifier_is_the_seal,
)
