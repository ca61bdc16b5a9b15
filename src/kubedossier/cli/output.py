"""The one owner of stdout, and of output files.

stdout is data. Untrusted text is made harmless before it reaches a terminal; a file appears only when it is
complete.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import click

from kubedossier.analytics.errors import StorageError, UsageError
from kubedossier.analytics.there import is_file, is_there

_LAST_STREAM = 2
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MAY_YOU = "Does the folder exist, and may you write in it?"
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC


def visible(text: str) -> str:
    """The text with every control, format, surrogate and separator character written as ``[U+XXXX]``."""
    if text.isprintable():
        return text
    import unicodedata

    return "".join(
        f"[U+{ord(char):04X}]" if unicodedata.category(char)[0] in "CZ" and char != " " else char for char in text
    )


def nobody_reads(stream: IO[str]) -> None:
    """Go on without a stream whose reader went away (`| head`): what is done, and the exit code, stay the same."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def fill_standard_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr one that is empty or leads nowhere.

    Without, the next file that is opened, of the archive perhaps, gets the number of the stream, and with it all that
    is written there.
    """
    while (spare := os.open(os.devnull, os.O_RDWR)) <= _LAST_STREAM:
        os.set_inheritable(spare, True)
    os.close(spare)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for the whole process


@contextmanager
def _stdout_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        nobody_reads(sys.stdout)
    except OSError as error:
        raise StorageError(
            f"Standard output cannot be written: {error.strerror}",
            hint="What was archived is kept; 'kubedossier status' shows it.",
        ) from error


def may_colour() -> bool:
    """Whether stdout is a terminal that colours are welcome on.

    Source: https://no-color.org
    """
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def counted(count: int, noun: str) -> str:
    """A number and its noun: ``1 file``, ``2,000 files``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def terminal_width() -> int:
    """How wide the terminal is, in signs."""
    import shutil

    return max(40, shutil.get_terminal_size((80, 24)).columns)


def wrapped(text: str, width: int, *, breaking: bool = False) -> Iterator[str]:
    """The text in lines that end between words.

    A word that is longer than a line, such as a path or a digest, stays whole, so that it can be copied; with
    ``breaking`` it ends its line after a slash, or where the line is full.
    """
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) <= width:
            line = f"{line} {word}"
            continue
        if line:
            yield line
        line = word
        while breaking and len(line) > width:
            end = line.rfind("/", 1, width) + 1 or width
            yield line[:end]
            line = line[end:]
    if line:
        yield line


def write_wrapped(text: str, *, indent: int = 0) -> None:
    """Write one line to stdout; in a terminal it goes on below itself, ``indent`` signs from the left."""
    if not sys.stdout.isatty() or len(text) <= terminal_width():
        write_line(text)
        return
    head, width = text[:indent], max(20, terminal_width() - indent)
    for number, line in enumerate(wrapped(text[indent:], width)):
        write_line((" " * indent if number else head) + line)


def write_text(text: str) -> None:
    """Write data to stdout as it is, without adding a line end."""
    with _stdout_errors():
        click.echo(text, nl=False)


def write_line(text: str = "") -> None:
    """Write one line to stdout."""
    with _stdout_errors():
        click.echo(text)


def write_bytes(data: bytes) -> None:
    """Write binary data to stdout.

    Raises:
        UsageError: stdout is a terminal.
    """
    if sys.stdout.isatty():
        raise UsageError("Binary output would garble the terminal", hint="Add -o FILE, or pipe it somewhere.")
    with _stdout_errors():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def complete_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name, whole and durable, only when the block ends without an error.

    What had the name stays until then. A link is followed.

    Raises:
        StorageError: the folder does not exist or cannot be written, or the disk failed.
        UsageError: a folder, a device or a pipe has the name.
    """
    from kubedossier.analytics.store.folders import fsync, fsync_folder

    target = path.resolve() if path.is_symlink() else path
    if is_there(target) and not is_file(target):
        raise UsageError(f"'{path}' is no file", hint="Name a file; most commands write to stdout without -o.")
    draft = target.with_name(f".kubedossier-{os.urandom(8).hex()}")
    try:
        descriptor = os.open(draft, _NEW, 0o666)
    except OSError as error:
        hint = "Free some space, then run it again." if error.errno in _FULL else _MAY_YOU
        raise StorageError(f"Cannot write '{path}': {error.strerror}", hint=hint) from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            fsync(descriptor)
        os.replace(draft, target)  # noqa: PTH105
        with suppress(PermissionError):  # a folder may be written and not read
            fsync_folder(target.parent.resolve())
    except BaseException as error:
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            raise StorageError(
                f"Writing '{path}' failed: {error.strerror or error}",
                hint=f"{'Free some space' if error.errno in _FULL else 'Check the disk'}, then run it again.",
            ) from error
        raise
