"""What an archive already has: events by their id, rejects by their bytes and source.

A repeated event has the same time, so only files whose time range touches the new events are asked, and only for the
ids. Files of rejects are read when the first reject of a run comes, which in most runs never happens.
"""

from __future__ import annotations

import errno
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.ingest.times import to_micros
from kubedossier.analytics.schema import UNDATED, FileRef
from kubedossier.analytics.store.digests import LEAF_BYTES, leaf, split
from kubedossier.analytics.store.ledger import Entry, Ledger
from kubedossier.analytics.store.rejects import read_rejects

HELD_IDS = 1_000_000
"""So many ids of files are held at once; each costs 32 bytes."""
LONG_FILE_ROWS = 20_000
_PIECE_BYTES = 64 * 1024
MARGIN_US = 86_400_000_000
_Span = tuple[int, int]
_WHOLE: _Span = (-(2**63), 2**63 - 1)
_ID = pa.binary(LEAF_BYTES)
_WORDS = LEAF_BYTES // 8


class SeenEvents:
    """The event ids of live files.

    Memory is bounded whatever the archive's size: what the records that come do not need is forgotten and read again
    when it is asked for. Where the files have too many events of the asked time to hold, they are read for those ids
    alone, every time.

    Args:
        root: the archive.
        files: its live event files.
        retracted: snapshots whose events do not count.

    Attributes:
        held: how many ids are held.
    """

    def __init__(self, root: Path, files: Iterable[FileRef], retracted: frozenset[str] = frozenset()) -> None:
        self._root = root
        self._files = list(map(_File, files))
        self._retracted = pa.array(sorted(retracted), pa.string())
        self._slices: dict[str, _Slice] = {}
        self._visited: set[str] = set()
        self._too_many: dict[str, int] = {}
        self.held = 0

    def known(self, ids: Sequence[bytes], times: Sequence[int | None]) -> set[bytes]:
        """Those of some event ids that the files have.

        Args:
            ids: of new events.
            times: of the same (microseconds, UTC); None where an event has none.

        Raises:
            IntegrityError: a file is gone or damaged.
        """
        if not self._files:
            return set()
        asked = _Asked(ids, times)
        touched = [(file, some) for file in self._files if (some := asked.of(file))]
        needed = {file.path for file, _ in touched}
        found: set[bytes] = set()
        for file, some in touched:
            found.update(self._found(file, asked.span(file), some, needed))
        return found

    def _found(self, file: _File, asked: _Span, some: Sequence[bytes], needed: set[str]) -> Iterable[bytes]:
        held = self._slices.get(file.path)
        if held is None or not (held.span[0] <= asked[0] and asked[1] <= held.span[1]):
            held = self._load(file, asked, needed)
        if held is not None:
            return held.those_of(some)
        return split(bytes_of(_joined(self._read(file, asked, pa.array(some, _ID)))))

    def _load(self, file: _File, asked: _Span, needed: set[str]) -> _Slice | None:
        """Hold those ids of a file that are asked for, and some around them; None where they are too many."""
        self._forget([file.path])
        width = asked[1] - asked[0]
        if width >= self._too_many.get(file.path, 2**64):
            return None
        span = file.around(asked, again=file.path in self._visited)
        self._visited.add(file.path)
        ids = self._as_many_as_fit(file, span)
        if ids is None:
            self._forget([path for path in self._slices if path not in needed])
            span = asked
            ids = self._as_many_as_fit(file, span)
        if ids is None:
            self._too_many[file.path] = width
            return None
        self._slices[file.path] = held = _Slice(ids, span)
        self.held += len(held)
        return held

    def _as_many_as_fit(self, file: _File, span: _Span) -> pa.Array | None:
        parts: list[pa.Array] = []
        room = HELD_IDS - self.held
        for ids in self._read(file, span):
            parts.append(ids)
            room -= len(ids)
            if room < 0:
                return None
        return _joined(parts)

    def _forget(self, paths: Iterable[str]) -> None:
        for path in paths:
            if (held := self._slices.pop(path, None)) is not None:
                self.held -= len(held)

    def _read(self, file: _File, span: _Span, wanted: pa.Array | None = None) -> Iterator[pa.Array]:
        try:
            yield from self._read_ids(file, span, wanted)
        except (OSError, pa.ArrowException) as error:
            if getattr(error, "errno", None) not in (None, errno.ENOENT):
                raise  # the disk failed, which says nothing about the file
            raise IntegrityError(
                f"'{self._root / file.path}' is gone or damaged, so what it holds cannot be told from what is new",
                hint="Run 'kubedossier verify' for the whole list, then restore it from a backup.",
            ) from error

    def _read_ids(self, file: _File, span: _Span, wanted: pa.Array | None) -> Iterator[pa.Array]:
        columns = ["event_id", *(["time"] if span != _WHOLE else ()), *(["snapshot"] if len(self._retracted) else ())]
        with _opened(self._root / file.path) as parquet:
            for batch in parquet.iter_batches(columns=columns, use_threads=False):
                if span != _WHOLE:
                    micros = batch.column("time").cast(pa.int64())
                    batch = batch.filter(
                        pc.and_(pc.greater_equal(micros, pa.scalar(span[0])), pc.less_equal(micros, pa.scalar(span[1])))
                    )
                if len(self._retracted):
                    batch = batch.filter(pc.invert(pc.is_in(batch.column("snapshot"), value_set=self._retracted)))
                if wanted is not None:
                    batch = batch.filter(pc.is_in(batch.column("event_id"), value_set=wanted))
                yield batch.column("event_id")


class _File:
    """A live file of events and the range of its times, which the ledger may have cut to the microsecond."""

    def __init__(self, file: FileRef) -> None:
        self.path = file.path
        self.rows = file.rows
        self.undated = file.month == UNDATED
        dated = not self.undated and file.min_time is not None and file.max_time is not None
        self.first = to_micros(file.min_time) - 1 if dated and file.min_time else 0
        self.last = to_micros(file.max_time) + 1 if dated and file.max_time else -1

    def around(self, asked: _Span, *, again: bool) -> _Span:
        """What to read: of a long file the days around the asked times, and when it is asked again what follows.

        Events come about in the order of time, so what follows is asked for next; a quarter of the room is for it.
        """
        if asked == _WHOLE or self.rows <= LONG_FILE_ROWS:
            return _WHOLE
        if not again:
            return asked[0] - MARGIN_US, asked[1] + MARGIN_US
        if self.rows <= HELD_IDS // 4:
            return _WHOLE
        follows = (self.last - self.first) * (HELD_IDS // 4) // self.rows
        return asked[0] - MARGIN_US, max(asked[1] + MARGIN_US, asked[0] + follows)


class _Asked:
    """Event ids that are asked for, in the order of their times."""

    def __init__(self, ids: Sequence[bytes], times: Sequence[int | None]) -> None:
        dated = sorted((time, one) for time, one in zip(times, ids, strict=True) if time is not None)
        self._times = [time for time, _ in dated]
        self._ids = [one for _, one in dated]
        self._undated = [one for time, one in zip(times, ids, strict=True) if time is None]

    def of(self, file: _File) -> Sequence[bytes]:
        """Those that may be in a file."""
        if file.undated:
            return self._undated
        return self._ids[bisect_left(self._times, file.first) : bisect_right(self._times, file.last)]

    def span(self, file: _File) -> _Span:
        """The first and last time of those; everything for events without a time."""
        if file.undated:
            return _WHOLE
        first, end = bisect_left(self._times, file.first), bisect_right(self._times, file.last)
        return self._times[first], self._times[end - 1]


class _Slice:
    """The ids of a file's events of some times, sorted by their first eight bytes as one number of this machine."""

    def __init__(self, ids: pa.Array, span: _Span) -> None:
        self.span = span
        words = pa.Array.from_buffers(pa.uint64(), _WORDS * len(ids), [None, ids.buffers()[1]])
        firsts = words.take(pa.array(range(0, len(words), _WORDS), pa.int32()))
        self._ids = memoryview(ids.take(pc.sort_indices(firsts)).buffers()[1]).cast("B")
        self._firsts = self._ids[: len(ids) * LEAF_BYTES].cast("Q")[::_WORDS]

    def __len__(self) -> int:
        return len(self._firsts)

    def those_of(self, some: Iterable[bytes]) -> Iterator[bytes]:
        """Those of some ids that are among these."""
        for one in some:
            first = int.from_bytes(one[:8], sys.byteorder)
            at = bisect_left(self._firsts, first)
            while at < len(self._firsts) and self._firsts[at] == first:
                if self._ids[at * LEAF_BYTES : (at + 1) * LEAF_BYTES] == one:
                    yield one
                    break
                at += 1


def _joined(parts: Iterable[pa.Array]) -> pa.Array:
    """A column of hashes of its own, without an offset."""
    return pa.concat_arrays([pa.array([bytes(LEAF_BYTES)], _ID).slice(1), *parts])


def _opened(path: Path) -> pq.ParquetFile:
    """A file read piece by piece: reading ahead in threads is no quicker here and keeps 100 MB in their pools."""
    return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=_PIECE_BYTES)


def bytes_of(hashes: pa.Array) -> bytes:
    """The values of a column of hashes, one after another: a tenth of the time of ``to_pylist``."""
    start = hashes.offset * LEAF_BYTES
    return bytes(memoryview(hashes.buffers()[1])[start : start + len(hashes) * LEAF_BYTES]) if len(hashes) else b""


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
