"""Checks a bundle, as one zip or unpacked: every way in which it is not what it says, expected beside found.

The steps, each with one reason to fail:
(1) the container is plain: one folder, plain names, nothing compressed, doubled, linked or hidden;
(2) the manifests name exactly the files that are there, and every file has its SHA-256;
(3) the ledger is an unbroken chain, and its last entry is the head the bundle names;
(4) the head is the one that was witnessed on this machine, and the one the user names;
(5) the Parquet files and rejects are those that the ledger lists for the month, with its SHA-256 sums;
(6) the leaves have the digests of the ledger, and NDJSON, CSV and leaves are what the Parquet files say.

A bundle is a stranger's file: nothing of it is extracted or run, and no name in it is trusted.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError, KubedossierError
from kubedossier.analytics.evidence import stretches
from kubedossier.analytics.evidence.choice import digest_findings, month_rejects
from kubedossier.analytics.evidence.comparison import Comparison, compare, lines
from kubedossier.analytics.evidence.container import Bag, FolderBag, ZipBag
from kubedossier.analytics.evidence.leaves import LeafRuns
from kubedossier.analytics.evidence.manifests import names, sums
from kubedossier.analytics.evidence.subject import (
    BUNDLE_FORMAT,
    COLLECTED,
    CSV,
    LEDGER,
    NDJSON,
    REFLOWED,
    Subject,
    bundle_id,
    event_name,
    folder_name,
    leaves_name,
    parse_subject,
    reject_name,
)
from kubedossier.analytics.evidence.texts import write_texts
from kubedossier.analytics.schema import UNDATED
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.entries import is_archive_id, read_entry
from kubedossier.analytics.store.ledger import NO_HASH, Entry, Ledger
from kubedossier.analytics.store.verify import Finding, repeated
from kubedossier.analytics.there import is_file, is_folder

_HEAD = re.compile(r"([0-9]{1,8}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class BundleVerdict:
    """What the check of a bundle saw; ``findings`` is empty where everything is as it says.

    Attributes:
        findings: all of them, in the order of the steps.
        identifier: the bundle's id, as it says.
        month: as it says.
        head: number and SHA-256 of its ledger's last entry.
        files: how many there are.
        events: how many were compared with their leaves.
        witnessed: entries of this archive in this machine's witness file.
    """

    findings: tuple[Finding, ...]
    identifier: str
    month: str
    head: tuple[int, str]
    files: int
    events: int
    witnessed: int


@dataclass
class _State:
    """What the steps pass on."""

    bag: Bag
    findings: list[Finding] = field(default_factory=list)
    sums: dict[str, str] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    ledger: Ledger | None = None
    subject: Subject | None = None
    witnessed: int = 0
    events: int = 0


def is_bundle(path: Path) -> bool:
    """Whether a path looks like a bundle rather than an archive: a file, or a folder with anything named bagit.txt."""
    with suppress(OSError):  # whoever reads what lies there will say so
        return is_file(path) or os.path.lexists(path / "bagit.txt")
    return False


def check_bundle(path: Path, *, head: tuple[int, str] | None = None) -> BundleVerdict:
    """Check a bundle.

    Args:
        path: the zip, or the folder it was unpacked to.
        head: a number and SHA-256 (or its first digits) that the user knows from elsewhere.

    Raises:
        KubedossierError: it is no bundle of a format this version knows.
    """
    with ExitStack() as stack:
        try:
            bag: Bag = FolderBag(path) if is_folder(path) else stack.enter_context(ZipBag(path))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
            return _unreadable(path, error)
        state = _State(bag, list(bag.findings))
        state.findings += names(bag)
        state.findings += sums(bag, state.sums)
        state.info = _read_info(state)
        _refuse_other_formats(path, state)
        state.findings += _chain(state)
        state.findings += _folder(path, state)
        state.findings += _witnessed(state, head)
        if state.ledger is not None and state.subject is not None:
            state.findings += _guarded(state.ledger, state.subject, state)
        return BundleVerdict(
            findings=tuple(state.findings),
            identifier=state.info.get("External-Identifier", ""),
            month=state.info.get("Kubedossier-Month", ""),
            head=state.ledger.head if state.ledger else (0, NO_HASH),
            files=len(bag.sizes),
            events=state.events,
            witnessed=state.witnessed,
        )


def _unreadable(path: Path, error: Exception) -> BundleVerdict:
    with path.open("rb") as file:
        if not file.read(4).startswith(b"PK"):
            raise KubedossierError(
                f"'{path}' is neither an archive, nor a bundle, nor a report",
                hint="A bundle is a zip, or the folder it holds; a report is a PDF.",
            ) from None
    finding = Finding("zip-altered", path.name, "a zip that can be read", str(error))
    return BundleVerdict((finding,), "", "", (0, NO_HASH), 0, 0, 0)


def _read_info(state: _State) -> dict[str, str]:
    info: dict[str, str] = {}
    for line in lines(state.bag, "bag-info.txt"):
        name, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(": ")
        info.setdefault(name, value)
    return info


def _refuse_other_formats(path: Path, state: _State) -> None:
    found = state.info.get("Kubedossier-Bundle-Format")
    if state.findings and found is None:
        return
    if found != str(BUNDLE_FORMAT):
        raise KubedossierError(
            f"'{path}' is no bundle of format {BUNDLE_FORMAT}" + (f", but of {found!r}" if found else ""),
            hint="Was it made by a newer kubedossier?",
        )


def _chain(state: _State) -> Iterator[Finding]:
    """(3) The ledger's lines are chained, end at the head, and give the bundle its id; fills ledger and subject."""
    entries: list[Entry] = []
    hashes: list[str] = []
    for seq, line in enumerate(lines(state.bag, LEDGER), 1):
        where = f"{LEDGER} line {seq}"
        entry, problem = read_entry(line)
        if entry is None:
            yield Finding("entry-unreadable", where, *problem)
            break
        prev = hashes[-1] if hashes else NO_HASH
        if entry.get("seq") != seq:
            yield Finding("entry-misplaced", where, f"seq {seq}", f"seq {entry.get('seq')!r}")
        if entry.get("prev") != prev:
            yield Finding("chain-broken", where, f"prev {prev}", f"prev {entry.get('prev')}")
        entries.append(entry)
        hashes.append(hashlib.sha256(line).hexdigest())
    ledger = Ledger(Path(), tuple(entries), tuple(hashes))
    yield from repeated(ledger)
    state.ledger = ledger
    named = _HEAD.fullmatch(state.info.get("Kubedossier-Head", ""))
    found = f"{ledger.head[0]}:{ledger.head[1]}"
    if named is None or named[0] != found:
        yield Finding("head", "bag-info.txt", found, state.info.get("Kubedossier-Head", "nothing"))
    month = state.info.get("Kubedossier-Month", "")
    state.subject = _subject(month)
    if state.subject is None:
        yield Finding("month", "bag-info.txt", "a month, or undated", month or "nothing")
    archive_id = str(entries[0].get("archive_id")) if entries else ""
    for name, expected in (
        ("Kubedossier-Archive", archive_id),
        ("External-Identifier", bundle_id(archive_id, month, ledger.head)),
    ):
        if state.info.get(name) != expected:
            yield Finding("identity", f"bag-info.txt {name}", expected, state.info.get(name, "nothing"))


def _subject(month: str) -> Subject | None:
    from datetime import UTC, datetime

    if month != UNDATED and not re.fullmatch(r"[0-9]{4}-[0-9]{2}", month):
        return None
    try:
        return parse_subject(month, now=datetime.now(UTC))
    except KubedossierError:
        return None


def _folder(path: Path, state: _State) -> Iterator[Finding]:
    """(3) The zip's folder has the name that follows from month and id; an unpacked one may be renamed."""
    if isinstance(state.bag, ZipBag):
        expected = folder_name(state.info.get("Kubedossier-Month", ""), state.info.get("External-Identifier", ""))
        if state.bag.folder != expected:
            yield Finding("identity", path.name, f"the folder {expected}", state.bag.folder)


def _witnessed(state: _State, named: tuple[int, str] | None) -> Iterator[Finding]:
    """(4) The ledger has the hashes that are known from elsewhere; a bundle may end before them."""
    if state.ledger is None:
        return
    hashes = state.ledger.hashes
    archive_id = str(state.ledger.entries[0].get("archive_id")) if state.ledger.entries else ""
    heads = witness.known_heads(archive_id) if is_archive_id(archive_id) else {}
    state.witnessed = len(heads)
    for seq, digest in sorted(heads.items()):
        if seq <= len(hashes) and hashes[seq - 1] != digest:
            yield Finding("entry-replaced", f"entry {seq}", f"{digest} (witness)", hashes[seq - 1])
    if named is not None:
        seq, digest = named
        if not 1 <= seq <= len(hashes):
            yield Finding("rolled-back", f"entry {seq}", f"{digest} (head)", f"the ledger ends at {len(hashes)}")
        elif not hashes[seq - 1].startswith(digest.lower()):
            yield Finding("entry-replaced", f"entry {seq}", f"{digest} (head)", hashes[seq - 1])


def _guarded(ledger: Ledger, subject: Subject, state: _State) -> Iterator[Finding]:
    """(5) and (6); a ledger that was made up may say anything, and then it is a finding like others."""
    try:
        differing = list(_files(ledger, subject, state))
        yield from differing
        if not any(one.where.startswith("data/events/") for one in differing):
            yield from _texts(ledger, subject, state)
    except IntegrityError as error:
        yield Finding("unreadable", LEDGER, "what an archive writes", error.message)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield Finding("entry-unreadable", LEDGER, "entries of format 1", f"{type(error).__name__}: {error}")


def _files(ledger: Ledger, subject: Subject, state: _State) -> Iterator[Finding]:
    """(5) What was copied is what the ledger lists."""
    expected = {event_name(one): one.sha256 for one in ledger.live() if one.month == subject.month}
    expected |= {reject_name(one): one.sha256 for one in month_rejects(ledger, subject)}
    found = {name: sha for name, sha in state.sums.items() if name.startswith(("data/events/", "data/rejects/"))}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield Finding("ledger-file", name, expected.get(name, "no file"), found.get(name, "no file"))


def _texts(ledger: Ledger, subject: Subject, state: _State) -> Iterator[Finding]:
    """(6) Leaves and texts, made again from the Parquet files."""
    leaf_files = {
        name: digest for name, digest in state.sums.items() if name.startswith("data/leaves/") and name != REFLOWED
    }
    yield from digest_findings(ledger, subject.month, leaf_files)
    sources = [event_name(one) for one in ledger.live() if one.month == subject.month]
    with ExitStack() as stack:
        leaves = LeafRuns(stack.enter_context(tempfile.TemporaryFile()))
        texts = {name: stack.enter_context(Comparison(state.bag, name)) for name in (NDJSON, CSV, REFLOWED)}
        state.events = write_texts(
            ((name, state.bag.open(name)) for name in sources if name in state.bag.sizes),
            retracted=ledger.retracted,
            ndjson=texts[NDJSON],
            csv=texts[CSV],
            reflowed=texts[REFLOWED],
            leaves=leaves,
        )
        for one in texts.values():
            yield from one.findings()
        for snapshot in leaves.snapshots():
            yield from compare(state.bag, leaves_name(snapshot), leaves.lines(snapshot))
    if subject.month != UNDATED:
        yield from compare(state.bag, COLLECTED, [stretches.collected_csv(ledger, subject)])
    if state.info.get("Kubedossier-Events") != str(state.events):
        yield Finding("events", "bag-info.txt", str(state.events), state.info.get("Kubedossier-Events", "nothing"))
