"""A bundle is checked with stock tools and with kubedossier; whatever is changed in it is found by both."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import zipfile
from contextlib import chdir, suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.evidence import container
from kubedossier.analytics.evidence.check import check_bundle, is_bundle
from kubedossier.analytics.evidence.container import FolderBag, ZipBag, text_member, write_zip
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.ledger import Ledger, entry_line
from kubedossier.analytics.store.retention import retract

SHELL = shutil.which("dash") or "sh"
# What verify.sh needs at least, without Perl.
TOOLS = "awk cat cut diff find grep head mkdir paste rm sed sha256sum sort tail uniq"


def run(folder, *command, **more):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **more)


def script(bag, *arguments, **more):
    return run(bag, SHELL, "verify.sh", *arguments, **more)


def kinds(path, **more):
    return {one.kind for one in check_bundle(path, **more).findings}


def hash_again(bag):
    """Write both manifests anew, as a careful forger would."""
    for manifest, inside in (("manifest-sha256.txt", True), ("tagmanifest-sha256.txt", False)):
        names = sorted(one.relative_to(bag).as_posix() for one in bag.rglob("*") if one.is_file())
        lines = [
            f"{hashlib.sha256((bag / name).read_bytes()).hexdigest()}  {name}\n"
            for name in names
            if name.startswith("data/") == inside and name != "tagmanifest-sha256.txt"
        ]
        (bag / manifest).write_text("".join(lines))


def replace(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def leaf_files(bag):
    return sorted(one for one in (bag / "data/leaves").iterdir() if one.name != "reflowed.txt")


@pytest.fixture
def without_perl(tmp_path):
    """An environment in which only the tools are found that every POSIX system has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS.split():
        (folder / tool).symlink_to(shutil.which(tool))
    return os.environ | {"PATH": str(folder)}


@pytest.fixture
def systems(tmp_path, without_perl):
    """Ways to run the script: here, with the least that POSIX has, and where diff and all else are other programs."""
    unified = tmp_path / "unified"
    shutil.copytree(tmp_path / "bin", unified, symlinks=True)
    (unified / "diff").unlink()
    (unified / "diff").write_text(f'#!/bin/sh\nexec {shutil.which("diff")} -u "$@"\n')
    (unified / "diff").chmod(0o755)
    ways = {
        "all tools": ([SHELL, "verify.sh"], os.environ),
        "the least": ([SHELL, "verify.sh"], without_perl),
        "unified diff": ([SHELL, "verify.sh"], os.environ | {"PATH": str(unified)}),
    }
    if busybox := shutil.which("busybox"):
        (tmp_path / "busybox").mkdir()
        for tool in TOOLS.split():
            (tmp_path / "busybox" / tool).symlink_to(busybox)
        ways["BusyBox"] = ([busybox, "sh", "verify.sh"], os.environ | {"PATH": str(tmp_path / "busybox")})
    return ways


def accepted(bag, systems):
    """By which systems the script found nothing wrong; each fails as it should where it does not."""
    codes = {name: run(bag, *command, env=env).returncode for name, (command, env) in systems.items()}
    assert set(codes.values()) <= {0, 1}
    return {name for name, code in codes.items() if code == 0}


def test_an_untouched_bundle_passes_packed_and_unpacked(october, bag):
    for path in (october, bag):
        verdict = check_bundle(path)
        assert verdict.findings == ()
        assert (verdict.events, verdict.month) == (77, "2026-10")


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
def test_every_command_in_the_readme_works(october, bag, tmp_path, stored):
    shutil.copy(october, bag.parent)
    program = tmp_path / "bin"
    program.mkdir()
    (program / "kubedossier").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kubedossier "$@"\n')
    (program / "kubedossier").chmod(0o755)
    commands = re.findall(r"^    (\S.*)$", (bag / "README.txt").read_text(), re.MULTILINE)
    environment = os.environ | {"PATH": f"{program}:{os.environ['PATH']}"}
    told = {}
    for command in commands:
        done = run(bag, SHELL, "-c", command, env=environment)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        told[command] = done.stdout
    head = Ledger.read(stored).head[1]
    assert len(commands) == 12
    assert told["tail -n 1 data/ledger.jsonl | sha256sum"].startswith(head)
    assert next(text for command, text in told.items() if "uniq -u" in command) == ""
    first = next(text for command, text in told.items() if "events.ndjson" in command)[:64]
    assert any(first in one.read_text() for one in leaf_files(bag))
    assert told["zstd -dc data/rejects/*.zst"].count("\n") == 3


def test_stock_tools_accept_the_zip_and_what_is_in_it(october, bag):
    assert run(bag, "unzip", "-tqq", str(october)).returncode == 0
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        assert run(bag, "sha256sum", "-c", "--strict", manifest).returncode == 0
        assert run(bag, "shasum", "-a", "256", "-c", "-s", manifest).returncode == 0


def test_pythons_own_unpacking_gives_the_same_files(october, bag, tmp_path):
    with zipfile.ZipFile(october) as archive:
        archive.extractall(tmp_path / "again")
    assert run(tmp_path, "diff", "-r", str(bag), str(tmp_path / "again" / bag.name)).returncode == 0


def test_the_script_passes_on_every_kind_of_system(bag, systems):
    assert accepted(bag, systems) == set(systems)


def test_the_script_passes_with_perl_and_without(bag, without_perl):
    for more in ({}, {"env": without_perl}):
        done = script(bag, **more)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.findall(r"^ok +(\d)", done.stdout, re.MULTILINE) == list("1234678")
        assert "the 77 events" in done.stdout
        assert done.stdout.endswith("All steps passed.\n")


def test_the_script_runs_under_every_shell_of_this_machine(bag):
    shells = [one for one in ("dash", "bash", "ksh", "zsh", "busybox") if shutil.which(one)]
    assert shells
    for shell in shells:
        command = [shell, "sh", "verify.sh"] if shell == "busybox" else [shell, "verify.sh"]
        assert run(bag, *command).returncode == 0, shell


def test_the_script_does_with_shasum_where_there_is_no_sha256sum(bag, tmp_path, without_perl):
    (tmp_path / "bin/sha256sum").unlink()
    (tmp_path / "bin/shasum").symlink_to(shutil.which("shasum"))
    assert script(bag, env=without_perl).returncode == 0
    swap_leaves(bag)
    hash_again(bag)
    assert script(bag, env=without_perl).returncode == 1


@pytest.mark.parametrize("tool", TOOLS.split())
def test_without_a_tool_that_it_needs_the_script_never_passes(bag, tmp_path, without_perl, tool):
    (tmp_path / "bin" / tool).unlink()
    done = script(bag, env=without_perl)
    assert (done.returncode, done.stdout) == (2, "")
    assert tool in done.stderr


@pytest.mark.parametrize("tool", ["awk", "cut", "diff", "sha256sum", "sort"])
def test_a_tool_that_fails_never_makes_the_script_pass(bag, tmp_path, without_perl, tool):
    swap_leaves(bag)
    hash_again(bag)
    (tmp_path / "bin" / tool).unlink()
    (tmp_path / "bin" / tool).symlink_to(shutil.which("false"))
    assert script(bag, env=without_perl).returncode == 1


def test_nothing_in_a_bundle_reaches_the_terminal_as_a_command(bag):
    (bag / "data/\x1b[2Jgone").write_text("x")
    replace(bag / "bag-info.txt", b"Kubernetes audit", b"\x1b]0;title\x07audit")
    text = script(bag).stdout
    assert "data/?[2Jgone" in text
    assert [char for char in text if not char.isprintable() and char != "\n"] == []


def test_the_script_leaves_nothing_behind(bag, tmp_path):
    before = sorted(bag.rglob("*"))
    (tmp_path / "work").mkdir()
    script(bag, env=os.environ | {"TMPDIR": str(tmp_path / "work")})
    assert sorted(bag.rglob("*")) == before
    assert list((tmp_path / "work").iterdir()) == []


def test_bundles_without_events_and_of_undated_records_pass(root, tmp_path, kit, without_perl):
    for month in ("2025-01", "undated"):
        path = kit.make_bundle(root, tmp_path, month)
        folder = kit.unpack(path, tmp_path / month)
        assert check_bundle(path).findings == ()
        for more in ({}, {"env": without_perl}):
            done = script(folder, **more)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("compacted", [False, True])
def test_a_bundle_of_an_archive_with_a_retracted_snapshot_passes(root, tmp_path, kit, compacted):
    (first, *_) = (one.snapshot for one in Ledger.read(root).live() if one.month == "2026-10")
    if compacted:
        list(compact(root, datetime(2027, 1, 1, tzinfo=UTC)))
    retract(root, first, '"path":"events/month=2026-10/x","retracts":"everything"')
    path = kit.make_bundle(root, tmp_path)
    assert check_bundle(path).findings == ()
    assert script(kit.unpack(path, tmp_path / "u")).returncode == 0


def test_the_head_one_knows_is_compared(bag, october, stored):
    ledger = Ledger.read(stored)
    seq, digest = ledger.head
    for known in (f"{seq}:{digest}", f"{seq}:{digest[:16]}", f"2:{ledger.hashes[1]}"):
        assert script(bag, known).returncode == 0
        assert kinds(october, head=(int(known.split(":")[0]), known.split(":")[1])) == set()
    for wrong in (f"{seq}:{'0' * 64}", f"{seq + 1}:{digest}", f"2:{digest}"):
        assert script(bag, wrong).returncode == 1, wrong
    for odd in ("nonsense-of-some-length", f"{seq}:", f"{seq}:{digest[:7]}", f"$(id):{digest}", f"1,9:{digest}", ""):
        assert script(bag, odd).returncode == 2, odd
    assert kinds(october, head=(seq, "0" * 64)) == {"entry-replaced"}
    assert kinds(october, head=(seq + 1, digest)) == {"rolled-back"}


def test_another_history_than_the_one_this_machine_witnessed_is_found(october, stored):
    witness.append(Ledger.read(stored).archive_id, 3, "0" * 64, "2026-11-01T00:00:00.000000Z")
    assert kinds(october) == {"entry-replaced"}


def flip(bag):
    path = next((bag / "data/events/2026-10").iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap_leaves(bag):
    """Say that an event came with another snapshot."""
    one, other, *_ = leaf_files(bag)
    lines, others = one.read_text().splitlines(), other.read_text().splitlines()
    others.append(lines.pop())
    for path, content in ((one, lines), (other, others)):
        path.write_text("".join(f"{line}\n" for line in sorted(content)))


def drop_event(bag):
    """Remove an event from the texts and its leaf with it."""
    path = bag / "data/events.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    leaf = hashlib.sha256(lines[0].rstrip(b"\n")).hexdigest()
    # The marks of reflowed lines must still point to them.
    marks = bag / "data/leaves/reflowed.txt"
    marks.write_text(re.sub(r"^(\d+)", lambda one: str(int(one[1]) - 1), marks.read_text(), flags=re.MULTILINE))
    path.write_bytes(b"".join(lines[1:]))
    for one in leaf_files(bag):
        one.write_text(one.read_text().replace(f"{leaf}\n", ""))


def edit_ledger(bag, change=lambda entries: entries[2].update(actor="somebody else")):
    """Change an entry, chain the ledger again, and name the new head."""
    path = bag / "data/ledger.jsonl"
    entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    change(entries)
    lines, prev = [], "0" * 64
    for entry in entries:
        lines.append(entry_line(entry | {"prev": prev}))
        prev = hashlib.sha256(lines[-1]).hexdigest()
    path.write_bytes(b"".join(lines))
    info = (bag / "bag-info.txt").read_text()
    archive = entries[0]["archive_id"]
    head = f"{len(lines)}:{prev}"
    identifier = hashlib.sha256(f"{archive} 2026-10 {head}\n".encode()).hexdigest()[:32]
    info = re.sub(r"(?<=Kubedossier-Head: ).*", head, info)
    (bag / "bag-info.txt").write_text(re.sub(r"(?<=External-Identifier: ).*", identifier, info))


def cut_ledger(bag):
    path = bag / "data/ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def swap_parquet(bag):
    one, other, *_ = sorted((bag / "data/events/2026-10").iterdir())
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def rewrite_parquet(bag):
    path = next((bag / "data/events/2026-10").iterdir())
    pq.write_table(pq.read_table(path, partitioning=None).slice(1), path)


TAMPERING = {
    "a flipped bit": flip,
    "an inserted file": lambda bag: (bag / "data/extra.txt").write_text("x"),
    "an inserted hidden file": lambda bag: (bag / ".extra").write_text("x"),
    "an inserted folder's file": lambda bag: (bag / "data/leaves/new").mkdir() or (bag / "data/leaves/new/x").touch(),
    "a symbolic link": lambda bag: (bag / "data/link").symlink_to("/etc/passwd"),
    "a name with a line break": lambda bag: (bag / "data/a\nb").write_text("x"),
    "a deleted file": lambda bag: (bag / "data/schema.json").unlink(),
    "a deleted Parquet file": lambda bag: next((bag / "data/events/2026-10").iterdir()).unlink(),
    "an altered event": lambda bag: replace(bag / "data/events.ndjson", b"event 3", b"event 9"),
    "an altered reflowed event": lambda bag: replace(bag / "data/events.ndjson", b'"event 65"', b'"event 64"'),
    "an altered mark": lambda bag: replace(bag / "data/leaves/reflowed.txt", b" n2,", b" n3,"),
    "a reordered ledger": lambda bag: (bag / "data/ledger.jsonl").write_bytes(
        b"".join(reversed((bag / "data/ledger.jsonl").read_bytes().splitlines(keepends=True)))
    ),
    "an edited ledger line": lambda bag: replace(bag / "data/ledger.jsonl", b'"new":30', b'"new":31'),
    "a ledger cut short": cut_ledger,
    "another month": lambda bag: replace(bag / "bag-info.txt", b"Month: 2026-10", b"Month: 2026-09"),
    "another head": lambda bag: replace(bag / "bag-info.txt", b"Kubedossier-Head: 6", b"Kubedossier-Head: 5"),
    "another archive": lambda bag: replace(bag / "bag-info.txt", b"Kubedossier-Archive: ", b"Kubedossier-Archive: 0"),
    "a moved event": swap_leaves,
    "an event removed everywhere": drop_event,
    "swapped Parquet files": swap_parquet,
    "an event removed from Parquet": rewrite_parquet,
    "a deleted file of leaves": lambda bag: leaf_files(bag)[0].unlink(),
    "a deleted file of rejects": lambda bag: next((bag / "data/rejects").iterdir()).unlink(),
    "changed rejects": lambda bag: next((bag / "data/rejects").iterdir()).write_bytes(b"x"),
}
CAREFUL = [
    name for name in TAMPERING if not name.startswith(("an inserted", "a symbolic", "a name", "a deleted file"))
] + ["a deleted file of leaves", "a deleted file of rejects"]


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_found_by_the_script_and_by_the_check(bag, name, systems):
    TAMPERING[name](bag)
    assert accepted(bag, systems) == set()
    assert kinds(bag)


@pytest.mark.parametrize("name", CAREFUL)
def test_tampering_is_found_even_when_every_file_was_hashed_again(bag, name, systems):
    TAMPERING[name](bag)
    hash_again(bag)
    done = script(bag)
    assert done.returncode == 1, done.stdout
    assert not re.search(r"^FAILED [12]", done.stdout, re.MULTILINE)
    assert accepted(bag, systems) == set()
    assert kinds(bag)


def pipe(path):
    os.mkfifo(path)


def plug(path):
    with socket.socket(socket.AF_UNIX) as end, chdir(path.parent):  # the path of a socket is short
        end.bind(path.name)


def device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices are made by root alone")


ODD = {
    "a link to the same bytes": (None, "link"),
    "a link to a folder": (lambda path: path.symlink_to("/"), "link"),
    "a link to a device without end": (lambda path: path.symlink_to("/dev/zero"), "link"),
    "a broken link": (lambda path: path.symlink_to("nowhere"), "link"),
    "a pipe": (pipe, "file-unknown"),
    "a socket": (plug, "file-unknown"),
    "a device": (device, "file-unknown"),
}


@pytest.mark.parametrize("name", ["data/events.csv", "data/new", "data/leaves/new", "bagit.txt", "bag-info.txt"])
@pytest.mark.parametrize("what", ODD)
def test_what_is_no_plain_file_is_named_and_never_opened(bag, tmp_path, name, what, systems, monkeypatch):
    put, kind = ODD[what]
    (tmp_path / "same").write_bytes((bag / name).read_bytes() if (bag / name).exists() else b"x")
    (bag / name).unlink(missing_ok=True)
    if put is None:
        (bag / name).symlink_to(tmp_path / "same")
    else:
        put(bag / name)
    opened = []
    monkeypatch.setattr(FolderBag, "open", lambda self, one, open=FolderBag.open: opened.append(one) or open(self, one))
    assert is_bundle(bag)
    assert (kind, name) in {(one.kind, one.where) for one in check_bundle(bag).findings}
    assert name not in opened
    assert "data/schema.json" in opened
    done = script(bag, timeout=30)
    assert done.returncode == 1
    assert f"./{name}" in done.stdout
    assert not accepted(bag, systems)


def test_a_pipe_that_takes_a_files_place_after_the_walk_is_not_waited_for(bag):
    found = FolderBag(bag)
    (bag / "data/events.csv").unlink()
    pipe(bag / "data/events.csv")
    with pytest.raises(OSError, match="no plain file"):
        found.open("data/events.csv")


def test_rejects_that_no_ledger_knows_are_found_even_when_hashed_again(tmp_path, kit, systems):
    kit.take(tmp_path / "dossier", [kit.compact(kit.event(1))])
    bag = kit.unpack(kit.make_bundle(tmp_path / "dossier", tmp_path), tmp_path / "unpacked")
    assert accepted(bag, systems) == set(systems)
    (bag / "data/rejects").mkdir()
    (bag / "data/rejects/20261001T000000Z-00000000.ndjson.zst").write_bytes(b"x")
    hash_again(bag)
    assert accepted(bag, systems) == set()
    assert kinds(bag) == {"ledger-file"}


def test_an_altered_csv_is_found_by_the_check_even_when_hashed_again(bag):
    replace(bag / "data/events.csv", b'"event 3"', b'"event 4"')
    hash_again(bag)
    (finding,) = check_bundle(bag).findings
    assert (finding.kind, finding.where) == ("text", "data/events.csv line 5")
    assert "event 3" in finding.expected
    assert "event 4" in finding.found


def test_altered_coverage_is_found_by_the_check_even_when_hashed_again(bag):
    replace(bag / "data/collected.csv", b"gap: dropped", b"collected")
    hash_again(bag)
    assert kinds(bag) == {"text"}


def test_another_number_of_events_is_found_even_when_hashed_again(bag):
    replace(bag / "bag-info.txt", b"Kubedossier-Events: 77", b"Kubedossier-Events: 78")
    hash_again(bag)
    assert kinds(bag) == {"events"}
    assert script(bag).returncode == 1


def edit_manifests(bag, inside, outside):
    """Change the manifest of data/ and the one of the rest, as a careful forger would."""
    path, tags = bag / "manifest-sha256.txt", bag / "tagmanifest-sha256.txt"
    path.write_text(inside(path.read_text()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tags.write_text(outside(re.sub(r"(?m)^.{64}(?=  manifest-sha256)", digest, tags.read_text())))


def test_a_file_that_a_manifest_names_twice_is_found(bag, systems):
    edit_manifests(bag, lambda text: text + text.splitlines()[0] + "\n", str)
    assert kinds(bag) == {"file-twice"}
    assert accepted(bag, systems) == set()


def test_a_file_that_the_other_manifest_names_is_found(bag):
    line = next(one for one in (bag / "tagmanifest-sha256.txt").read_text().splitlines() if one.endswith("bagit.txt"))
    edit_manifests(bag, lambda text: f"{text}{line}\n", lambda text: text.replace(f"{line}\n", ""))
    assert "manifest-unreadable" in kinds(bag)


def test_events_that_the_ledgers_digests_do_not_fit_are_found_even_when_all_is_chained_again(bag):
    path = next((bag / "data/events/2026-10").iterdir())
    pq.write_table(pq.read_table(path, partitioning=None).slice(1), path)
    data = path.read_bytes()

    def fix(entries):
        for entry in entries:
            for one in entry.get("files", {}).get("add", ()):
                if one["path"].endswith(path.name):
                    one.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    edit_ledger(bag, fix)
    hash_again(bag)
    texts = {one.where.split(" ")[0].rsplit("/", 1)[0] for one in check_bundle(bag).findings if one.kind == "text"}
    assert "data/leaves" in texts


def test_a_bundle_without_its_last_manifest_and_an_odd_name_in_all_manifests_are_found(bag):
    (bag / "data/a name.txt").write_text("x")
    hash_again(bag)
    assert kinds(bag) == {"file-unknown"}
    (bag / "data/a name.txt").unlink()
    hash_again(bag)
    assert kinds(bag) == set()
    (bag / "tagmanifest-sha256.txt").unlink()
    assert "file-missing" in kinds(bag)


def test_an_entry_with_another_number_is_found_even_when_all_is_chained_again(bag, systems):
    edit_ledger(bag, lambda entries: entries[-1].update(seq=9))
    hash_again(bag)
    assert kinds(bag) == {"entry-misplaced"}
    assert accepted(bag, systems) == set()


def test_a_zip_that_unpacks_to_another_folder_is_found(october, tmp_path):
    def change(info, data):
        _, _, name = info.filename.partition("/")
        info.filename = f"kubedossier-2026-10-000000000000/{name}"
        yield info, data

    assert kinds(rebuilt(october, tmp_path / october.name, change)) == {"identity"}


def test_a_ledger_chained_again_is_found_by_a_known_head_alone(bag, stored):
    edit_ledger(bag)
    hash_again(bag)
    seq, digest = Ledger.read(stored).head
    assert script(bag).returncode == 0
    assert kinds(bag) == set()
    assert script(bag, f"{seq}:{digest}").returncode == 1
    assert kinds(bag, head=(seq, digest)) == {"entry-replaced"}


def rebuilt(october, path, change):
    """The zip written again, each member passed through ``change(info, data)``, which may return several."""
    with zipfile.ZipFile(october) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            for one, data in change(info, old.read(info)):
                new.writestr(one, data)
    return path


def renamed(name):
    def change(info, data):
        yield info, data
        if info.filename.endswith("/bagit.txt"):
            yield zipfile.ZipInfo(name), b"x"

    return change


def compressed(info, data):
    if info.filename.endswith("events.csv"):
        info.compress_type = zipfile.ZIP_DEFLATED
    yield info, data


def linked(info, data):
    if info.filename.endswith("schema.json"):
        info.external_attr = 0o120777 << 16
    yield info, data


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (renamed("../../evil"), "file-unknown"),
        (renamed("/etc/evil"), "file-unknown"),
        (renamed("elsewhere/evil"), "file-unknown"),
        (compressed, "zip-altered"),
        (linked, "link"),
    ],
    ids=["climbing", "absolute", "another folder", "compressed", "link"],
)
def test_a_zip_that_is_not_plain_is_found(october, tmp_path, change, expected):
    assert expected in kinds(rebuilt(october, tmp_path / october.name, change))


def with_extra(october, path, local=b"", listed=b""):
    """The zip, to one file of which something was added where its headers have room for more; all else is right."""
    whole = october.read_bytes()
    files, directory = b"", b""
    with zipfile.ZipFile(october) as archive:
        at = archive.start_dir
        for info in archive.infolist():
            name = info.filename.encode()
            header = bytearray(whole[info.header_offset : info.header_offset + 30 + len(name)])
            entry = bytearray(whole[at : at + 46 + len(name)])
            at += len(entry)
            more = b""
            if local and info.filename.endswith("schema.json"):
                more = struct.pack("<HHQQ", 1, 16, info.file_size, info.file_size) + local
                struct.pack_into("<H", header, 4, 45)
                struct.pack_into("<II", header, 18, 0xFFFFFFFF, 0xFFFFFFFF)
                struct.pack_into("<H", header, 28, len(more))
            struct.pack_into("<I", entry, 42, len(files))
            if listed and info.filename.endswith("schema.json"):
                entry[4] = entry[6] = 45
                struct.pack_into("<H", entry, 30, len(listed))
                entry += listed
            files += header + more + archive.read(info)
            directory += entry
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, *(len(archive.infolist()),) * 2, len(directory), len(files), 0)
    path.write_bytes(files + directory + end)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    return path


# A name in Unicode, which some programs unpack to in place of the plain one. Source: APPNOTE.TXT 6.3, section 4.6.9.
OTHER_NAME = struct.pack("<HHBI", 0x7075, 21, 1, 0) + b"../../evil.json!"


def test_what_hides_in_the_headers_of_a_zip_is_found(october, tmp_path):
    path = tmp_path / october.name
    assert with_extra(october, path).read_bytes() == october.read_bytes()
    junk = struct.pack("<HH", 0xCAFE, 4000) + b"x" * 4000
    for more in ({"local": junk}, {"listed": junk}, {"listed": OTHER_NAME}):
        assert kinds(with_extra(october, path, **more)) == {"zip-altered"}, more


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_doubled_member_is_found(october, tmp_path):
    def change(info, data):
        yield info, data
        if info.filename.endswith("bagit.txt"):
            yield info, b"other"

    assert "file-twice" in kinds(rebuilt(october, tmp_path / october.name, change))


def test_hidden_bytes_are_found_wherever_they_are(october, tmp_path):
    data = october.read_bytes()
    path = tmp_path / october.name
    for changed in (b"#!/bin/sh\n" + data, data + b"x", data[:-2] + b"\x05\x00hello"):
        path.write_bytes(changed)
        assert kinds(path) == {"zip-altered"}


def test_every_flipped_byte_of_the_zip_is_found(october, tmp_path):
    path = tmp_path / october.name
    data = october.read_bytes()
    with zipfile.ZipFile(october) as archive:
        listed = archive.start_dir
    first_headers = {*range(30), *range(listed, listed + 46), *range(len(data) - 22, len(data))}
    missed = []
    for at in sorted(first_headers | set(range(50, len(data), len(data) // 40))):
        changed = bytearray(data)
        changed[at] ^= 0x20
        path.write_bytes(changed)
        try:
            found = kinds(path)
        except KubedossierError:
            found = {"refused"}
        if not found:
            missed.append(at)
    assert missed == []


def test_members_beyond_four_gigabytes_are_read_as_what_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    monkeypatch.setattr(container, "LARGE_BYTES", 1000)
    path = tmp_path / "large.zip"
    sizes = {"before.txt": 1, "nearly.txt": 960, "large.txt": 2000, "after.txt": 1, "nearly-again.txt": 1000}
    with path.open("w+b") as file:
        write_zip(file, "folder", [text_member(name, b"y" * size) for name, size in sizes.items()])
    with ZipBag(path) as bag:
        assert bag.findings == []
        assert bag.sizes == sizes
    data = path.read_bytes()
    for at in range(data.index(b"PK\1\2"), len(data)):  # the list of files, and its end in both forms
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with suppress(zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError), ZipBag(path) as bag:
            assert bag.findings, at


def test_truncation_is_found(october, tmp_path):
    path = tmp_path / october.name
    path.write_bytes(october.read_bytes()[:-500])
    assert kinds(path) == {"zip-altered"}


def test_something_else_is_no_bundle(tmp_path, bag):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.7")
    with pytest.raises(KubedossierError, match="neither an archive, nor a bundle, nor a report"):
        check_bundle(path)
    replace(bag / "bag-info.txt", b"Bundle-Format: 1", b"Bundle-Format: 2")
    with pytest.raises(KubedossierError, match="no bundle of format 1"):
        check_bundle(bag)


def test_a_made_up_ledger_is_a_finding_and_no_crash(bag):
    for line in (
        b'{"id":"x"}',
        b'{"id":"x","files":7}',
        b'{"id":"x","files":{"add":[{"path":"../../x"}]}}',
        b"[" * 5000,
    ):
        (bag / "data/ledger.jsonl").write_bytes(line + b"\n")
        assert "entry-unreadable" in kinds(bag) or "entry-misplaced" in kinds(bag)


def test_a_path_that_climbs_out_is_refused_when_it_stands_in_the_ledger(bag):
    path = bag / "data/ledger.jsonl"
    replace(path, b"events/month=2026-10/", b"events/month=2026-10/../../")
    assert "entry-unreadable" in kinds(bag)


def test_the_script_is_of_the_package(bag, checkout):
    assert (bag / "verify.sh").read_bytes() == (checkout / "analytics/evidence/verify.sh").read_bytes()
    assert Path(bag / "verify.sh").stat().st_mode & 0o111
