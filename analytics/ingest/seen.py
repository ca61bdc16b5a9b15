"""Which events an archive already has: deduplication by event id.

A repeat has the same time, so only files whose time range touches the new events are asked, and only for the ids.
What was asked once is kept.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.ingest.times import from_micros
from kubedossier.analytics.schema import UNDATED, FileRef


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
        self._loaded: set[str] = set()

    def prepare(self, times: Iterable[int | None]) -> None:
        """Read the ids of the files that may hold events of these times (microseconds, UTC)."""
        known = list(times)
        dated = [micros for micros in known if micros is not None]
        for file in self._files:
            if file.path not in self._loaded and _touches(file, dated, undated=len(dated) < len(known)):
                self._loaded.add(file.path)
                self._ids.setdefault(file.month, set()).update(self._read(file))

    def month(self, month: str) -> set[bytes]:
        """The known ids of a month, to look into and to add to."""
        return self._ids.setdefault(month, set())

    def _read(self, file: FileRef) -> Iterator[bytes]:
        try:
            yield from self._read_ids(file)
        except (OSError, pa.ArrowException) as error:
            if getattr(error, "errno", None) not in (None, errno.ENOENT):
                raise  # the disk failed, which says nothing about the file
            raise IntegrityError(
                f"'{self._root / file.path}' is gone or damaged, so what it holds cannot be told from what is new",
                hint="Run 'kubedossier verify' for the whole list, then restore it from a backup.",
            ) from error

    def _read_ids(self, file: FileRef) -> Iterator[bytes]:
        columns = ["event_id", "snapshot"] if self._retracted else ["event_id"]
        with pq.ParquetFile(self._root / file.path, page_checksum_verification=True) as parquet:
            for batch in parquet.iter_batches(columns=columns):
                ids = batch.column(0).to_pylist()
                if not self._retracted:
                    yield from ids
                    continue
                for event_id, snapshot in zip(ids, batch.column(1).to_pylist(), strict=True):
                    if snapshot not in self._retracted:
                        yield event_id


def _touches(file: FileRef, dated: list[int], *, undated: bool) -> bool:
    if file.month == UNDATED:
        return undated
    if not dated or file.min_time is None or file.max_time is None:
        return False
    low, high = from_micros(min(dated)), from_micros(max(dated))
    return file.min_time - timedelta(microseconds=1) <= high and low <= file.max_time + timedelta(microseconds=1)
