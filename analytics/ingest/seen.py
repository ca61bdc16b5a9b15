"""What an archive already has: events by their id, rejects by their bytes and source.

A repeated event has the same time, so only files whose time range touches the new events are asked, and only for the
ids. Files of rejects are read when the first reject of a run comes, which in most runs never happens. What was asked
once is kept.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.ingest.times import from_micros
from kubedossier.analytics.schema import UNDATED, FileRef
from kubedossier.analytics.store.digests import LEAF_BYTES, leaf, split
from kubedossier.analytics.store.ledger import Entry, Ledger
from kubedossier.analytics.store.rejects import read_rejects

LONG_FILE_ROWS = 20_000
MARGIN_US = 86_400_000_000
_Span = tuple[int, int]
_WHOLE: _Span = (-(2**63), 2**63 - 1)


class SeenEvents:
    """The event ids of live files and of what this run added.

    Args:
        root: the archive.
        files: its live event files.
        retracted: snapshots whose events do not count.
    """

    def __init__(self, root: Path, files: Iterable[FileRef], retracted: frozenset[str] = frozenset()) -> None:
        self._root = root
        self._files = list(files)
        self._retracted = retracted
        self._ids: dict[str, set[bytes]] = {}
        self._loaded: dict[str, _Span] = {}

    def prepare(self, earliest: int | None, latest: int | None, *, undated: bool) -> None:
        """Read the ids of the files that may hold events of these times (microseconds, UTC; None without any).

        Of a long file only the days around these times are read at first; should other times follow, all of it.

        Args:
            earliest: time of a new event.
            latest: the same.
            undated: whether there are any without a time.
        """
        asked = (earliest, latest) if earliest is not None and latest is not None else None
        for file in self._files:
            if not _touches(file, asked, undated=undated):
                continue
            had = self._loaded.get(file.path)
            long = file.month != UNDATED and file.rows > LONG_FILE_ROWS
            if had is None and asked is not None and long:
                span = (asked[0] - MARGIN_US, asked[1] + MARGIN_US)
            elif had is None or (had is not _WHOLE and (asked is None or not had[0] <= asked[0] <= asked[1] <= had[1])):
                span = _WHOLE
            else:
                continue
            self._loaded[file.path] = span
            self._ids.setdefault(file.month, set()).update(self._read(file, span))

    def month(self, month: str) -> set[bytes]:
        """The known ids of a month, to look into and to add to."""
        return self._ids.setdefault(month, set())

    def _read(self, file: FileRef, span: _Span) -> Iterator[bytes]:
        try:
            yield from self._read_ids(file, span)
        except (OSError, pa.ArrowException) as error:
            if getattr(error, "errno", None) not in (None, errno.ENOENT):
                raise  # the disk failed, which says nothing about the file
            raise IntegrityError(
                f"'{self._root / file.path}' is gone or damaged, so what it holds cannot be told from what is new",
                hint="Run 'kubedossier verify' for the whole list, then restore it from a backup.",
            ) from error

    def _read_ids(self, file: FileRef, span: _Span) -> Iterator[bytes]:
        columns = ["event_id", "time", "snapshot"] if self._retracted else ["event_id", "time"]
        with pq.ParquetFile(self._root / file.path, page_checksum_verification=True) as parquet:
            for batch in parquet.iter_batches(columns=columns):
                if span is not _WHOLE:
                    micros = batch.column("time").cast(pa.int64())
                    batch = batch.filter(
                        pc.and_(pc.greater_equal(micros, pa.scalar(span[0])), pc.less_equal(micros, pa.scalar(span[1])))
                    )
                ids = split(bytes_of(batch.column("event_id")))
                if not self._retracted:
                    yield from ids
                    continue
                for event_id, snapshot in zip(ids, batch.column("snapshot").to_pylist(), strict=True):
                    if snapshot not in self._retracted:
                        yield event_id


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
