"""What an archive already has: events by their id, rejects by their bytes and source.

A repeated event has the same time, so only files whose time range touches the new events are asked, and only for the
ids. Files of rejects are read when the first reject of a run comes, which in most runs never happens.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.ingest.times import from_micros, to_micros
from kubedossier.analytics.schema import UNDATED, FileRef
from kubedossier.analytics.store.digests import LEAF_BYTES, leaf, split
from kubedossier.analytics.store.ledger import Entry, Ledger
from kubedossier.analytics.store.rejects import read_rejects

HELD_IDS = 250_000
"""So many ids of files are held at once; each costs about 110 bytes."""
LONG_FILE_ROWS = 20_000
_PIECE_BYTES = 64 * 1024
MARGIN_US = 86_400_000_000
_Span = tuple[int, int]
_WHOLE: _Span = (-(2**63), 2**63 - 1)


class SeenEvents:
    """The event ids of live files and of what this run added.

    Memory is bounded whatever the archive's size: what the records that come do not need is forgotten and read again
    when it is asked for. Where the files have too many events of the asked time to hold, they are read for those ids
    alone, every time.

    Args:
        root: the archive.
        files: its live event files.
        retracted: snapshots whose events do not count.

    Attributes:
        held: how many ids of files are held.
    """

    def __init__(self, root: Path, files: Iterable[FileRef], retracted: frozenset[str] = frozenset()) -> None:
        self._root = root
        self._files = list(files)
        self._retracted = retracted
        self._ids: dict[str, set[bytes]] = {}
        self._loaded: dict[str, _Slice] = {}
        self._visited: set[str] = set()
        self._too_many: dict[str, int] = {}
        self.held = 0

    def prepare(self, earliest: int | None, latest: int | None, *, undated: bool, ids: Sequence[bytes]) -> None:
        """Have those ids ready that are known and may be asked for next; the sets of months grow and shrink.

        Args:
            earliest: time of a new event (microseconds, UTC); None where none has one.
            latest: the same.
            undated: whether there are any without a time.
            ids: of the new events.
        """
        asked = (earliest, latest) if earliest is not None and latest is not None else None
        touched = [file for file in self._files if _touches(file, asked, undated=undated)]
        missing = [file for file in touched if not self._covers(file, asked)]
        needed = {file.path for file in touched} - {file.path for file in missing}
        for file in missing:
            self._forget(file.path)
            self._load(file, asked if asked is not None and file.month != UNDATED else _WHOLE, needed, ids)
            needed.add(file.path)

    def month(self, month: str) -> set[bytes]:
        """The known ids of a month, to look into and to add to."""
        return self._ids.setdefault(month, set())

    def _covers(self, file: FileRef, asked: _Span | None) -> bool:
        held = self._loaded.get(file.path)
        if held is None or held.span == _WHOLE or asked is None:
            return held is not None
        return held.span[0] <= asked[0] and asked[1] <= held.span[1]

    def _load(self, file: FileRef, asked: _Span, needed: set[str], ids: Sequence[bytes]) -> None:
        found = None
        width = asked[1] - asked[0]
        if width < self._too_many.get(file.path, 2**64):
            span = _around(file, asked, again=file.path in self._visited)
            self._visited.add(file.path)
            found = self._as_many_as_fit(file, span)
            if found is None:
                for path in [path for path in self._loaded if path not in needed]:
                    self._forget(path)
                span = asked
                found = self._as_many_as_fit(file, span)
        known = self.month(file.month)
        if found is not None:
            known.update(found)
            self._loaded[file.path] = _Slice(file, span, len(found))
            self.held += len(found)
        else:
            self._too_many[file.path] = width
            known.update(self._read(file, asked, pa.array(ids, pa.binary(LEAF_BYTES))))

    def _as_many_as_fit(self, file: FileRef, span: _Span) -> list[bytes] | None:
        room = HELD_IDS - self.held
        found = list(islice(self._read(file, span), room + 1))
        return found if len(found) <= room else None

    def _forget(self, path: str) -> None:
        """Give up what is held of a file. What this run added is in no file yet, so nothing else goes with it."""
        if (held := self._loaded.pop(path, None)) is not None:
            self._ids[held.file.month].difference_update(self._read(held.file, held.span))
            self.held -= held.ids

    def _read(self, file: FileRef, span: _Span, wanted: pa.Array | None = None) -> Iterator[bytes]:
        try:
            yield from self._read_ids(file, span, wanted)
        except (OSError, pa.ArrowException) as error:
            if getattr(error, "errno", None) not in (None, errno.ENOENT):
                raise  # the disk failed, which says nothing about the file
            raise IntegrityError(
                f"'{self._root / file.path}' is gone or damaged, so what it holds cannot be told from what is new",
                hint="Run 'kubedossier verify' for the whole list, then restore it from a backup.",
            ) from error

    def _read_ids(self, file: FileRef, span: _Span, wanted: pa.Array | None) -> Iterator[bytes]:
        columns = ["event_id", "time", "snapshot"] if self._retracted else ["event_id", "time"]
        with _opened(self._root / file.path) as parquet:
            for batch in parquet.iter_batches(columns=columns, use_threads=False):
                if span != _WHOLE:
                    micros = batch.column("time").cast(pa.int64())
                    batch = batch.filter(
                        pc.and_(pc.greater_equal(micros, pa.scalar(span[0])), pc.less_equal(micros, pa.scalar(span[1])))
                    )
                if wanted is not None:
                    batch = batch.filter(pc.is_in(batch.column("event_id"), value_set=wanted))
                ids = split(bytes_of(batch.column("event_id")))
                if not self._retracted:
                    yield from ids
                    continue
                for event_id, snapshot in zip(ids, batch.column("snapshot").to_pylist(), strict=True):
                    if snapshot not in self._retracted:
                        yield event_id


@dataclass(frozen=True, slots=True)
class _Slice:
    """What is held of a file: its ids of these times, and how many they are."""

    file: FileRef
    span: _Span
    ids: int


def _around(file: FileRef, asked: _Span, *, again: bool) -> _Span:
    """What to read of a file: of a long one the days around the asked times, and when it is asked again what follows.

    Events come about in the order of time, so what follows is asked for next; a quarter of the room is for it.
    """
    times = (file.min_time, file.max_time)
    if asked == _WHOLE or times[0] is None or times[1] is None or file.rows <= LONG_FILE_ROWS:
        return _WHOLE
    if not again:
        return asked[0] - MARGIN_US, asked[1] + MARGIN_US
    if file.rows <= HELD_IDS // 4:
        return _WHOLE
    follows = (to_micros(times[1]) - to_micros(times[0])) * (HELD_IDS // 4) // file.rows
    return asked[0] - MARGIN_US, max(asked[1] + MARGIN_US, asked[0] + follows)


def _opened(path: Path) -> pq.ParquetFile:
    """A file read piece by piece: reading ahead in threads is no quicker here and keeps 100 MB in their pools."""
    return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=_PIECE_BYTES)


def bytes_of(hashes: pa.Array) -> bytes:
    """The values of a column of hashes, one after another: a tenth of the time of ``to_pylist``."""
    start = hashes.offset * LEAF_BYTES
    data: bytes = hashes.buffers()[1].to_pybytes()
    return data[start : start + len(hashes) * LEAF_BYTES]


def _touches(file: FileRef, asked: _Span | None, *, undated: bool) -> bool:
    if file.month == UNDATED:
        return undated
    if asked is None or file.min_time is None or file.max_time is None:
        return False
    low, high = from_micros(asked[0]), from_micros(asked[1])
    return file.min_time - timedelta(microseconds=1) <= high and low <= file.max_time + timedelta(microseconds=1)


class SeenRejects:
    """The rejects that were there before a run.

    The same bytes from the same source are the same reject: the overlap of snapshots, or a file imported again. Within
    one run every place counts, so what the run itself adds is not asked for. Only files that may hold rejects of the
    same source are read.

    Args:
        ledger: of the archive.
        files: its live files of rejects.
    """

    def __init__(self, ledger: Ledger, files: Iterable[FileRef]) -> None:
        self._root = ledger.root
        self._unread = list(files)
        self._imported = {entry["id"]: _imported_files(entry) for entry in ledger.entries if self._unread}
        self._asked: set[str] = set()
        self._known: set[tuple[str, bytes]] = set()

    def has(self, source: str, raw: bytes) -> bool:
        """Whether such a reject is kept already.

        Raises:
            StorageError: a file of rejects cannot be read.
        """
        if source not in self._asked:
            self._asked.add(source)
            self._read(source)
        return (source, leaf(raw)) in self._known

    def _read(self, source: str) -> None:
        unread = []
        for file in self._unread:
            names = self._imported.get(file.snapshot)
            if names is not None and source not in names:
                unread.append(file)
            else:
                self._known.update((one.source, leaf(one.raw)) for one in read_rejects(self._root, file))
        self._unread = unread


def _imported_files(entry: Entry) -> frozenset[str] | None:
    """The names of the files whose rejects an entry may have added; None where it does not tell."""
    source = entry.get("source")
    files = source.get("files") if isinstance(source, dict) else None
    return frozenset(one["name"] for one in files) if isinstance(files, list) else None
