"""Every disk a power loss may leave: what was synced stays, what was not may be lost, cut, zeroed or kept in any mix.

The model is the weakest that file systems promise (ALICE): data of a file is durable after its fsync, a name in a
folder after the fsync of that folder, nothing else, and in no order. A rename is one step: its old name may stay with
the new one, but both are never gone.
"""

# What stands below pathlib cannot be written with it.

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

CONTENTS = ("all", "none", "half", "zeroed")  # of what was written to a file and not synced


@dataclass
class File:
    synced: bytes = b""
    now: bytes = b""


@dataclass
class Folder:
    durable: dict[str, object] = field(default_factory=dict)
    now: dict[str, object] = field(default_factory=dict)


@dataclass(eq=False)
class Edit:
    """A change of one name that is not durable yet; ``needs`` is the new name of what lost this one."""

    path: str
    folder: Folder
    name: str
    node: object
    needs: Edit | None = None


class Model:
    """A disk, followed operation by operation."""

    def __init__(self, disk: Path) -> None:
        self.disk = os.path.realpath(disk)
        self.root = self._load(Path(self.disk))
        self.pending: list[Edit] = []

    def _load(self, path: Path) -> Folder | File:
        if path.is_dir():
            names = {one.name: self._load(one) for one in path.iterdir()}
            return Folder(dict(names), dict(names))
        data = path.read_bytes()
        return File(data, data)

    def _find(self, path: str):
        node = self.root
        for part in path.removeprefix(self.disk).split("/"):
            node = node.now[part] if part else node
        return node

    def _edit(self, path: str, node, needs=None) -> Edit:
        folder, name = self._find(os.path.dirname(path)), os.path.basename(path)
        if node is None:
            del folder.now[name]
        else:
            folder.now[name] = node
        edit = Edit(path, folder, name, node, needs)
        self.pending.append(edit)
        return edit

    def apply(self, operation: tuple) -> None:
        """Follow one recorded operation."""
        name, path, *more = operation
        if name == "open" and more[0]:
            self._edit(path, File())
        elif name == "mkdir":
            self._edit(path, Folder())
        elif name == "write":
            file = self._find(path)
            file.now = file.now[: more[0]] + more[1] + file.now[more[0] + len(more[1]) :]
        elif name == "link":
            self._edit(more[0], self._find(path))
        elif name in ("rename", "replace"):
            added = self._edit(more[0], self._find(path))
            self._edit(path, None, needs=added)
        elif name == "unlink":
            self._edit(path, None)
        elif name == "fsync":
            self._sync(self._find(path))

    def _sync(self, node) -> None:
        if isinstance(node, File):
            node.synced = node.now
            return
        kept = []
        durable = {one.needs for one in self.pending if one.folder is node and one.needs}
        for edit in self.pending:
            if edit.folder is node or edit in durable:
                _do(edit.folder.durable, edit)
            else:
                kept.append(edit)
        self.pending = kept

    def unsynced(self):
        """The files whose data are not durable, by path."""

        def walk(folder, at):
            for name, node in folder.now.items():
                if isinstance(node, Folder):
                    yield from walk(node, f"{at}{name}/")
                elif node.now != node.synced:
                    yield f"{at}{name}"

        return list(walk(self.root, self.disk + "/"))

    def states(self, chance: random.Random, few: int):
        """Disks a power loss may leave now, as ``{path: bytes, or None for a folder}``, each once.

        None, all, each alone, all but each, then ``few`` random choices of the changes that are not durable; each with
        every fate of the data.
        """
        edits = self.pending
        choices = [frozenset(), frozenset(edits)]
        choices += [frozenset({one}) for one in edits] + [frozenset(edits) - {one} for one in edits]
        choices += [frozenset(one for one in edits if chance.random() < 0.5) for _ in range(few)]
        for chosen in dict.fromkeys(choices):
            kept = chosen | {one.needs for one in chosen if one.needs in edits}
            for fate in (*CONTENTS, "mixed"):
                yield self._tree(kept, fate, chance)

    def _tree(self, kept, fate, chance) -> dict[str, bytes | None]:
        names: dict[int, dict[str, object]] = {}
        for edit in self.pending:
            if edit in kept:
                _do(names.setdefault(id(edit.folder), dict(edit.folder.durable)), edit)
        tree: dict[str, bytes | None] = {}
        contents: dict[int, bytes] = {}

        def walk(folder, at):
            for name, node in sorted(names.get(id(folder), folder.durable).items()):
                path = f"{at}{name}"
                if isinstance(node, Folder):
                    tree[path] = None
                    walk(node, path + "/")
                else:
                    how = chance.choice(CONTENTS) if fate == "mixed" else fate
                    tree[path] = contents.setdefault(id(node), _data(node, how))

        walk(self.root, "")
        return tree


def _do(names: dict[str, object], edit: Edit) -> None:
    if edit.node is None:
        names.pop(edit.name, None)
    else:
        names[edit.name] = edit.node


def _data(file: File, fate: str) -> bytes:
    if fate == "all" or file.now == file.synced:
        return file.now
    if fate == "none":
        return file.synced
    start = len(file.synced) if file.now.startswith(file.synced) else 0
    half = (start + len(file.now)) // 2
    return file.now[:half] if fate == "half" else file.now[:start] + b"\0" * (len(file.now) - start)


def build(tree: dict[str, bytes | None], disk: Path) -> None:
    """Put a disk in place of another."""
    for path, data in tree.items():
        if data is None:
            (disk / path).mkdir(mode=0o700)
        else:
            (disk / path).write_bytes(data)
