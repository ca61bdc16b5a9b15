"""Steps (1) and (2) of a bundle's check: names are plain, and the manifests are complete and right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubedossier.analytics.evidence import tags
from kubedossier.analytics.evidence.comparison import lines, sha256_of
from kubedossier.analytics.evidence.container import Bag
from kubedossier.analytics.evidence.subject import SAFE_NAME
from kubedossier.analytics.store.verify import Finding

_LINE = re.compile(rb"([0-9a-f]{64})  ([^\n]+)\n")


def names(bag: Bag) -> Iterator[Finding]:
    """(1) Names are plain; what else is odd about the container was found when it was opened."""
    for name in bag.sizes:
        if not SAFE_NAME.fullmatch(name):
            yield Finding("file-unknown", name, "letters, digits, dots, hyphens and underscores", "another name")


def sums(bag: Bag, found: dict[str, str]) -> Iterator[Finding]:
    """(2) The manifests are complete and right; fills ``found`` with SHA-256 by name."""
    sizes = bag.sizes
    for name in sizes:
        found[name] = sha256_of(bag, name)
    listed: dict[str, str] = {}
    for manifest in (tags.TAG_MANIFEST, tags.MANIFEST):
        for name, expected in _manifest(bag, manifest):
            if not expected:
                yield Finding("manifest-unreadable", manifest, "SHA-256, two blanks, name", name)
            elif name in listed:
                yield Finding("file-twice", name, "one line in the manifests", "two")
            elif name.startswith("data/") != (manifest == tags.MANIFEST):
                yield Finding("manifest-unreadable", manifest, "names of its own kind", name)
            else:
                listed[name] = expected
    for name, expected in listed.items():
        if name not in sizes:
            yield Finding("file-missing", name, expected, "no file")
        elif found[name] != expected:
            yield Finding("file-changed", name, expected, found[name])
    for name in sorted(sizes.keys() - listed.keys() - {tags.TAG_MANIFEST}):
        yield Finding("file-unknown", name, "no file the manifests do not name", f"{sizes[name]:,} bytes")
    if tags.TAG_MANIFEST not in sizes:
        yield Finding("file-missing", tags.TAG_MANIFEST, "the manifest of the manifests", "no file")


def _manifest(bag: Bag, name: str) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of each line; a line that is none has no SHA-256."""
    for line in lines(bag, name):
        match = _LINE.fullmatch(line)
        yield (match[2].decode("utf-8", "replace"), match[1].decode()) if match else (repr(line[:80]), "")
