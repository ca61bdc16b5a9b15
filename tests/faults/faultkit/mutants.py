"""Planted mistakes: each one a commit protocol that somebody once shipped. Both harnesses must be seen to find them.

Each function plants one, in the process that calls it, over whatever ``os`` is then.
"""

# What stands below pathlib cannot be written with it.

from __future__ import annotations

import os
import stat
from pathlib import Path

from faultkit.disk import Disk


def _fsync_only(wanted):
    below = os.fsync

    def fsync(descriptor):
        if wanted(descriptor):
            below(descriptor)

    os.fsync = fsync


def _is_folder(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def _name(descriptor):
    return Disk.installed.paths.get(descriptor, "")


def no_data_fsync():
    _fsync_only(_is_folder)


def no_folder_fsync():
    _fsync_only(lambda descriptor: not _is_folder(descriptor))


def rename_without_folder_fsync():
    """The folders of the ledger and the archive are synced, those that events are renamed into are not."""
    _fsync_only(lambda descriptor: not (_is_folder(descriptor) and "/events/" in _name(descriptor)))


def new_folder_without_fsync_of_its_parent():
    _fsync_only(lambda descriptor: not (_is_folder(descriptor) and _name(descriptor).endswith(("/A", "/events"))))


def files_move_before_the_entry_is_named():
    """What a crash leaves in the archive's folders is then an orphan nobody knows."""
    from kubedossier.analytics.store.commit import Writer

    publish = Writer.publish

    def at_once(self, name, path):
        publish(self, name, path)
        Writer._move_files(self)

    Writer.publish = at_once


def staged_entry_not_durable_in_tmp():
    _fsync_only(lambda descriptor: not (_is_folder(descriptor) and _name(descriptor).endswith("/tmp")))


def ledger_before_data():
    from kubedossier.analytics.store.commit import Writer

    move, link = Writer._move_files, Writer._link_entry

    def link_first(self, seq, staged):
        link(self, seq, staged)
        move(self)

    Writer._move_files = lambda self: None
    Writer._link_entry = link_first


def success_before_fsync():
    """The ledger's folder is synced when the writer closes, after the receipt was printed."""
    from kubedossier.cli import output

    below, said = os.fsync, output.write_line
    late = []

    def fsync(descriptor):
        if _is_folder(descriptor) and _name(descriptor).endswith("/ledger"):
            late.append(os.open(_name(descriptor), os.O_RDONLY))
        else:
            below(descriptor)

    def write_line(text=""):
        said(text)
        while late:
            below(late.pop())

    from kubedossier.cli import import_

    os.fsync = fsync
    import_.write_line = write_line


def entry_by_open_and_write():
    def link(source, target, **_):
        with open(source, "rb") as file:
            data = file.read()
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        for start in range(0, len(data), 100):
            os.write(descriptor, data[start : start + 100])
        os.fsync(descriptor)
        os.close(descriptor)

    os.link = link


def fsync_error_ignored():
    below = os.fsync

    def fsync(descriptor):
        try:
            below(descriptor)
        except OSError:
            return

    os.fsync = fsync


def witness_before_the_ledger():
    from kubedossier.analytics.store import witness
    from kubedossier.analytics.store.commit import Writer

    link = Writer._link_entry

    def told_first(self, seq, staged):
        import hashlib

        line = (self.root / "tmp" / staged).read_bytes()
        if self.ledger.entries:
            at = self.ledger.entries[-1]["at"]
            witness.append(self.ledger.archive_id, seq, hashlib.sha256(line).hexdigest(), at)
        link(self, seq, staged)

    Writer._link_entry = told_first


def tmp_not_cleaned():
    """No mistake: litter in ``tmp/`` is harmless."""
    from kubedossier.analytics.store import commit, unfinished

    commit.clean_tmp = unfinished.clean_tmp = lambda root: None
    below = os.unlink

    def unlink(path, **more):
        if Path(path).parent.name != "tmp":
            below(path, **more)

    os.unlink = unlink


def small_row_groups():
    """No mistake: events reach the disk in many small writes, long before the commit."""

    from kubedossier.analytics.ingest import intake
    from kubedossier.analytics.store import writer

    assert intake.CHUNK_RECORDS > 8
    assert writer.RECEIPT.rows > 3
    intake.CHUNK_RECORDS = 8
    Disk.buffer_bytes = 256
    object.__setattr__(writer.RECEIPT, "rows", 3)


def tells_before_locking():
    """No mistake: a run writes to the pipe ``locking`` in its folder before it asks for the lock."""
    import fcntl

    below = fcntl.flock

    def flock(descriptor, how):
        Path("locking").write_text("now")
        below(descriptor, how)

    fcntl.flock = flock


def knows_fewer_events():
    """No mistake: an earlier version, which could not read some events that this one can."""
    from kubedossier.analytics.ingest import chunks
    from kubedossier.analytics.ingest.parsing import RejectedRecord

    columns, derive = chunks.read_columns, chunks.derive

    def earlier(record):
        if b"event 2" in record.raw:
            raise RejectedRecord("not_json")
        return derive(record)

    chunks.read_columns = lambda raws: columns([b"" if b"event 2" in raw else raw for raw in raws])
    chunks.derive = earlier


HARMLESS = ("tmp_not_cleaned", "small_row_groups", "tells_before_locking", "knows_fewer_events")
MUTANTS = {
    one.__name__: one
    for one in (
        no_data_fsync,
        no_folder_fsync,
        rename_without_folder_fsync,
        new_folder_without_fsync_of_its_parent,
        files_move_before_the_entry_is_named,
        staged_entry_not_durable_in_tmp,
        ledger_before_data,
        success_before_fsync,
        entry_by_open_and_write,
        fsync_error_ignored,
        witness_before_the_ledger,
        tmp_not_cleaned,
        small_row_groups,
        tells_before_locking,
        knows_fewer_events,
    )
}
