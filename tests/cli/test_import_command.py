"""The commands import, rejects, verify, compact, gc, retract and status, as a user runs them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from kubedossier.analytics.ingest import importer
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import verify
from kubedossier.cli import cli
from kubedossier.cli.diagnostics import run


def event(number: int, **more: object) -> str:
    time = f"2026-10-{number % 28 + 1:02d}T00:00:00Z"
    return json.dumps({"time": time, "verb": "get", "cluster": "c", "message": f"event {number}"} | more)


@pytest.fixture
def kubedossier(archive_path, monkeypatch, capsys):
    """Run the command line on an archive; gives exit code, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kubedossier", "--archive", str(archive_path), *map(str, arguments)])
        code = run(cli)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(event(number) for number in range(20)) + "\n")
    return path


def test_an_import_tells_what_it_archived(kubedossier, source):
    code, out, err = kubedossier("import", source)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "20 received: 20 new, 0 duplicate, 0 rejected"
    code, out, _ = kubedossier("import", source)
    assert (code, out.splitlines()[0]) == (0, "20 received: 0 new, 20 duplicate, 0 rejected")


def test_a_bad_line_is_rejected_with_its_place_and_the_rest_is_archived(kubedossier, tmp_path):
    path = tmp_path / "some.ndjson"
    path.write_bytes(event(1).encode() + b'\n{"verb": "ge\n' + b"\xff\xfe{}\n" + event(2).encode())
    code, out, err = kubedossier("import", path)
    assert code == 4
    assert out.splitlines()[0] == "4 received: 2 new, 0 duplicate, 2 rejected"
    assert "1 not_json, 1 not_utf8" in err
    assert "kubedossier rejects" in err
    code, out, err = kubedossier("rejects")
    assert code == 0
    assert out.splitlines()[0].split(None, 1) == ["not_json", "some.ndjson, line 2"]
    code, out, err = kubedossier("rejects", "-f", "ndjson", "--limit", "0")
    kept = [json.loads(line) for line in out.splitlines()]
    assert [one["position"] for one in kept] == ["line 2", "line 3"]
    assert kept[0]["raw"] == '{"verb": "ge'
    assert kept[1]["raw_base64"] == "//57fQ=="
    assert json.loads(kept[0]["context"]) == {"file": "some.ndjson"}


def test_a_bad_line_that_comes_again_is_a_duplicate_and_not_stored_twice(kubedossier, archive_path, tmp_path):
    path = tmp_path / "some.ndjson"
    path.write_bytes(event(1).encode() + b"\nbroken\nbroken\n")
    code, out, _ = kubedossier("import", path)
    assert (code, out.splitlines()[0]) == (4, "3 received: 1 new, 0 duplicate, 2 rejected")
    code, out, err = kubedossier("import", path)
    assert (code, out.splitlines()[0]) == (0, "3 received: 0 new, 3 duplicate, 0 rejected")
    assert "Of the duplicates, 2 unreadable records came before" in err
    assert len(list((archive_path / "rejects").iterdir())) == 1
    path.write_bytes(path.read_bytes() + b"broken too\n")
    code, out, err = kubedossier("import", path)
    assert (code, out.splitlines()[0]) == (4, "4 received: 0 new, 3 duplicate, 1 rejected")
    assert "1 not_json" in err
    assert kubedossier("verify", "--deep")[0] == 0
    counts = json.loads(kubedossier("status", "-f", "json")[1])["counts"]
    assert counts == {"received": 10, "new": 1, "duplicate": 6, "rejected": 3, "skipped": 0}


def test_the_same_bad_line_from_another_file_is_another_reject(kubedossier, tmp_path):
    for name in ("one.ndjson", "two.ndjson"):
        (tmp_path / name).write_bytes(event(1).encode() + b"\nbroken\n")
        assert kubedossier("import", tmp_path / name)[0] == 4


def test_what_a_retry_rejects_again_stays_known(kubedossier, tmp_path):
    path = tmp_path / "some.ndjson"
    path.write_bytes(event(1).encode() + b"\nbroken\n")
    assert kubedossier("import", path)[0] == 4
    assert kubedossier("rejects", "--retry")[0] == 4
    assert kubedossier("import", path)[0] == 0
    assert kubedossier("rejects")[1].count("not_json") == 1


def test_rejects_are_read_again_and_what_is_readable_now_becomes_an_event(
    kubedossier, archive_path, monkeypatch, tmp_path
):
    from kubedossier.analytics.ingest import chunks
    from kubedossier.analytics.ingest.parsing import RejectedRecord

    real_derive, real_columns = chunks.derive, chunks.read_columns

    def refuse(record):
        if b"later" in record.raw:
            raise RejectedRecord("not_yet_known")
        return real_derive(record)

    monkeypatch.setattr(chunks, "derive", refuse)
    monkeypatch.setattr(
        chunks, "read_columns", lambda raws: real_columns([b"" if b"later" in raw else raw for raw in raws])
    )
    path = tmp_path / "some.ndjson"
    path.write_text("\n".join([event(1), event(2, later=True), "broken"]))
    assert kubedossier("import", path)[0] == 4
    monkeypatch.setattr(chunks, "derive", real_derive)
    monkeypatch.setattr(chunks, "read_columns", real_columns)
    code, out, _ = kubedossier("rejects", "--retry")
    assert code == 4
    assert out.splitlines()[0] == "2 received: 1 new, 0 duplicate, 1 rejected"
    code, out, _ = kubedossier("rejects")
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == ["not_json"]
    assert "some.ndjson, line 3" in out
    assert kubedossier("verify", "--deep")[0] == 0
    assert json.loads(kubedossier("status", "-f", "json")[1])["counts"] == {
        "received": 3,
        "new": 2,
        "duplicate": 0,
        "rejected": 1,
        "skipped": 0,
    }


@pytest.mark.parametrize(
    "content", [b"Dear Sir,\nhow are you?\n", b"\x89PNG\r\n\x1a\n\x00\x00", b"<html></html>", b"42"]
)
def test_a_file_that_is_no_audit_log_is_refused_with_what_was_expected(kubedossier, archive_path, tmp_path, content):
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    code, out, err = kubedossier("import", path)
    assert (code, out) == (1, "")
    assert "'letter.txt' is no audit log" in err
    assert "Expected are" in err
    assert not list(archive_path.rglob("*.parquet"))


@pytest.mark.parametrize("content", [b"", b"  \n\n", b"[]", b"null", b"\xef\xbb\xbf"])
def test_an_empty_file_is_no_error(kubedossier, tmp_path, content):
    path = tmp_path / "empty.json"
    path.write_bytes(content)
    code, out, _ = kubedossier("import", path)
    assert (code, out.strip()) == (0, "0 received: 0 new, 0 duplicate, 0 rejected")


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, bz2.compress, lambda data: pa.Codec("zstd").compress(data, asbytes=True)],
    ids=["gzip", "bzip2", "zstd"],
)
def test_compressed_files_are_read_as_what_they_hold(kubedossier, source, tmp_path, pack):
    packed = tmp_path / "packed"
    packed.write_bytes(pack(source.read_bytes()))
    assert kubedossier("import", packed)[1].startswith("20 received: 20 new")


def test_a_compressed_file_that_was_cut_short_archives_nothing(kubedossier, archive_path, source, tmp_path):
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(source.read_bytes())[:-20])
    code, _, err = kubedossier("import", packed)
    assert code == 1
    assert "damaged or cut short" in err
    assert err.endswith("Nothing was archived.\n")
    assert not list(archive_path.rglob("*.parquet"))


@pytest.mark.parametrize("damaged", [gzip.compress(b"{}" * 20)[:-5], b"<html>Log in</html>"], ids=["cut", "no log"])
def test_what_was_archived_before_the_damage_is_told_and_stays(kubedossier, source, tmp_path, monkeypatch, damaged):
    monkeypatch.setattr(importer, "COMMIT_RECORDS", 1)
    (tmp_path / "damaged").write_bytes(damaged)
    code, out, err = kubedossier("import", source, tmp_path / "damaged")
    assert code == 1
    assert out.splitlines()[0] == "20 received: 20 new, 0 duplicate, 0 rejected"
    assert "Nothing was archived" not in err
    assert err.endswith(" 20 records were read and archived before that, and stay.\n")
    assert kubedossier("query", "--sql", "select count(*) from records", "-f", "csv")[1].split()[-1] == "20"


def test_an_interrupted_import_tells_what_it_archived(kubedossier, source, monkeypatch):
    whole = importer.import_files

    def interrupted(*arguments, **more):
        yield from whole(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(importer, "import_files", interrupted)
    code, out, _ = kubedossier("import", source)
    assert (code, out.splitlines()[0]) == (130, "20 received: 20 new, 0 duplicate, 0 rejected")


@pytest.fixture
def while_read(monkeypatch, tmp_path):
    """Makes a file of 3,000 events, and does something to it after the first of its blocks was read."""

    def prepare(act, *, packed=False) -> Path:
        path = tmp_path / "audit.log"
        data = "".join(event(number) + "\n" for number in range(3000)).encode()
        path.write_bytes(gzip.compress(data, 0) if packed else data)
        blocks = importer._Source.blocks

        acts = [act]

        def acting(self):
            for number, block in enumerate(blocks(self)):
                if number == 1 and acts:
                    acts.pop()(path)
                yield block

        monkeypatch.setattr(importer, "BLOCK_BYTES", 16384)
        monkeypatch.setattr(importer._Source, "blocks", acting)
        return path

    return prepare


def changed(root) -> list[object]:
    return [one.get("changed") for one in Ledger.read(root).entries[-1]["source"]["files"]]


@pytest.mark.parametrize("left", [0, 60_000])
def test_what_a_file_loses_while_it_is_read_is_not_lost_in_silence(kubedossier, archive_path, while_read, left):
    path = while_read(lambda path: os.truncate(path, left))
    whole = path.read_bytes()
    code, out, err = kubedossier("import", path)
    assert code == 4
    assert "'audit.log' became shorter while it was read" in err
    assert changed(archive_path) == ["shrank"]
    received, new, _, rejected = (int(word) for word in re.findall(r"\d+", out.splitlines()[0].replace(",", "")))
    assert 0 < new < received < 3000
    assert rejected == 1  # the event that was cut
    path.write_bytes(whole)
    code, out, _ = kubedossier("import", path)
    assert (code, out.splitlines()[0]) == (0, f"3,000 received: {3000 - new:,} new, {new:,} duplicate, 0 rejected")


@pytest.mark.parametrize("how", ["copytruncate", "a writer that keeps its place"])
def test_a_file_that_is_cut_and_grows_beyond_its_old_size_is_told(kubedossier, archive_path, while_read, how):
    """As by a log rotation with copytruncate under a busy writer: by its size it only ever grew."""

    def cut(path):
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(0)
            file.seek(0 if how == "copytruncate" else size)  # the NULs up to there are no event
            file.write("".join(map(event, range(5000, 10_000))).encode())
        assert path.stat().st_size > size

    path = while_read(cut)
    whole = path.read_bytes()
    code, _, err = kubedossier("import", path)
    assert (code, "'audit.log' became shorter while it was read" in err) == (4, True)
    assert changed(archive_path) == ["shrank"]
    path.write_bytes(whole)
    assert kubedossier("import", path)[0] == 0


def test_what_a_file_loses_before_it_is_opened_is_not_lost_in_silence(kubedossier, source, monkeypatch):
    opened = importer._Source._open

    def late(self):
        os.truncate(source, 1000)
        return opened(self)

    monkeypatch.setattr(importer._Source, "_open", late)
    code, _, err = kubedossier("import", source)
    assert (code, "became shorter" in err) == (4, True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_grows_behind_what_was_read_is_told(kubedossier, archive_path, while_read, monkeypatch, packed):
    def grow(path):
        with path.open("ab") as file:
            file.write(gzip.compress(event(4000).encode()) if packed else event(4000).encode())

    changes = importer._Source._changed
    path = while_read(lambda path: None, packed=packed)
    monkeypatch.setattr(
        importer._Source, "_changed", lambda self, *some, **more: grow(path) or changes(self, *some, **more)
    )
    code, out, err = kubedossier("import", path)
    assert (code, out.split()[0]) == (0, "3,000")
    assert "'audit.log' grew while it was read: import it again" in err
    assert changed(archive_path) == ["grew"]
    monkeypatch.undo()


def test_what_a_file_gains_before_its_end_is_read(kubedossier, archive_path, while_read):
    def grow(path):
        with path.open("ab") as file:
            file.write(event(4000).encode())

    code, out, err = kubedossier("import", while_read(grow))
    assert (code, out.split()[0], err) == (0, "3,001", "")
    assert changed(archive_path) == [None]


def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was_and_told(kubedossier, archive_path, while_read):
    def replace(path):
        path.rename(path.with_suffix(".1"))
        path.write_text(event(5000))

    code, out, err = kubedossier("import", while_read(replace))
    assert (code, out.split()[0]) == (0, "3,000")
    assert "'audit.log' was replaced while it was read, and the new file was not" in err
    assert changed(archive_path) == ["replaced"]


def test_a_file_that_is_removed_while_it_is_read_is_read_whole(kubedossier, archive_path, while_read):
    code, out, err = kubedossier("import", while_read(Path.unlink))
    assert (code, out.split()[0], err) == (0, "3,000", "")


@pytest.mark.parametrize("folder", ["tmp", "ledger", "events", "rejects", "seals"])
def test_a_file_inside_the_archive_is_no_input_and_stays(kubedossier, archive_path, source, folder):
    assert kubedossier("import", source)[0] == 0
    (archive_path / folder).mkdir(exist_ok=True)
    path = archive_path / folder / "mine.ndjson"
    path.write_text(event(99))
    code, out, err = kubedossier("import", path)
    assert (code, out) == (2, "")
    assert f"lies in '{folder}' of the archive itself" in err
    assert path.read_text() == event(99)


def test_a_file_beside_the_evidence_is_input(kubedossier, archive_path, source):
    assert kubedossier("import", source)[0] == 0
    (archive_path / "reports").mkdir()
    (archive_path / "reports" / "mine.ndjson").write_text(event(99))
    assert kubedossier("import", archive_path / "reports" / "mine.ndjson")[0] == 0


@pytest.mark.parametrize("becomes", ["nothing", "another archive"])
def test_an_archive_that_is_moved_away_while_it_is_written_to_is_told_and_no_other_takes_its_place(
    kubedossier, archive_path, source, tmp_path, while_read, becomes
):
    assert kubedossier("import", source)[0] == 0

    def move(_path):
        archive_path.rename(tmp_path / "moved")
        if becomes == "another archive":
            assert subprocess.run(["cp", "-a", tmp_path / "moved", archive_path], check=False).returncode == 0

    code, out, err = kubedossier("import", while_read(move))
    assert (code, out) == (7, "")
    assert "was moved or deleted" in err or "No such file" in err
    for place in (tmp_path / "moved", archive_path):
        if place.exists():
            assert len(Ledger.read(place).entries) == 2
            assert not verify(place).findings


def test_a_reject_is_shown_as_it_is_and_harmless(kubedossier, source, tmp_path):
    path = tmp_path / "odd.ndjson"
    path.write_bytes(source.read_bytes() + b'{"verb":"get","message":"\\ud800 \x1b[31m\t\\\\ \xe2\x80\xae"}\n')
    code, _, err = kubedossier("import", path)
    assert code == 4
    assert "1 record could not be read" in err
    assert "It is kept verbatim" in err
    shown = kubedossier("rejects")[1].splitlines()[1]
    assert shown == r'    {"verb":"get","message":"\ud800 [U+001B][31m \\ [U+202E]"}'


def test_a_gzip_bomb_meets_the_cap(kubedossier, tmp_path):
    packed = tmp_path / "bomb.gz"
    packed.write_bytes(gzip.compress(b'{"verb":"' + bytes(b"x" * (80 * 1024 * 1024)), 1))
    code, _, err = kubedossier("import", packed)
    assert code == 1
    assert "larger than 64 MiB" in err


def test_standard_input_is_a_file_like_others(kubedossier, source, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(source.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert kubedossier("import", "-")[1].startswith("20 received: 20 new")


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_named_pipe_is_a_file_like_others(archive_path, source, tmp_path, pack):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(pack(source.read_bytes())), daemon=True)
    writer.start()
    # In a process of its own, which may be ended should it wait for ever.
    command = [sys.executable, "-m", "kubedossier", "--archive", archive_path, "import", pipe]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "20 received: 20 new, 0 duplicate, 0 rejected")
    assert Ledger.read(archive_path).entries[-1]["source"]["files"] == [{"bytes": None, "name": "pipe"}]


@pytest.mark.skipif(sys.platform != "linux", reason="a file that opens and cannot be read")
def test_a_file_that_cannot_be_read_is_told(kubedossier):
    code, _, err = kubedossier("import", "/proc/self/mem")
    assert code == 7
    assert "Cannot read '/proc/self/mem'" in err


def test_the_name_of_a_file_need_not_be_utf_8(kubedossier, source, tmp_path):
    path = tmp_path / os.fsdecode(b"log \xff\xe9.ndjson")
    path.write_bytes(source.read_bytes() + b"oops\n")
    code, out, _ = kubedossier("import", path)
    assert (code, out.splitlines()[0]) == (4, "21 received: 20 new, 0 duplicate, 1 rejected")
    assert r"log \xff\xe9.ndjson, line 21" in kubedossier("rejects")[1]
    assert kubedossier("verify", "--deep")[0] == 0
    assert kubedossier("import", path)[0] == 0


def test_an_archive_whose_name_is_not_utf_8_is_refused_before_anything_is_made(
    kubedossier, source, monkeypatch, capsys
):
    monkeypatch.chdir(source.parent)
    monkeypatch.setattr(sys, "argv", ["kubedossier", "--archive", os.fsdecode(b"a\xff"), "import", str(source)])
    assert run(cli) == 2
    assert "is not UTF-8" in capsys.readouterr().err
    assert sorted(source.parent.iterdir()) == [source]


def test_a_missing_file_and_a_folder_are_told(kubedossier, tmp_path):
    code, _, err = kubedossier("import", tmp_path / "nowhere.json")
    assert (code, "Cannot read" in err) == (7, True)
    code, _, err = kubedossier("import", tmp_path)
    assert (code, "is a folder" in err) == (2, True)


def test_hostile_names_never_become_paths_and_stay_distinct(kubedossier, archive_path, tmp_path):
    names = [
        "../../etc",
        "a=b",
        "x" * 300,
        "😀",
        "new\nline",
        "'; drop table events; --",
        "*",
        "\u202egpj",
        "$HOME",
        "%s",
    ]
    path = tmp_path / "hostile.ndjson"
    path.write_text("\n".join(event(number, cluster=name) for number, name in enumerate(names)))
    assert kubedossier("import", path)[0] == 0
    assert {one.parent.name for one in archive_path.rglob("*.parquet")} == {"month=2026-10"}
    for number, name in enumerate(names):
        code, out, _ = kubedossier("query", "activity_by_day", "--period", "2026-10", "--cluster", name, "-f", "ndjson")
        rows = [json.loads(line) for line in out.splitlines()]
        assert code == 0
        assert [row["date"] for row in rows if row["events"]] == [f"2026-10-{number + 1:02d}"]


def test_verify_tells_the_head_and_every_finding(kubedossier, archive_path, source):
    kubedossier("import", source)
    code, out, _ = kubedossier("verify", "--deep")
    head = out.split("Head ")[1].split()[0]
    assert code == 0
    assert kubedossier("verify", "--head", head)[0] == 0
    code, out, _ = kubedossier("verify", "--head", "9:" + "ab" * 32)
    assert (code, "rolled-back" in out) == (5, True)
    for odd in (f"0:{head.split(':')[1]}", "9" * 5000 + ":abcdef01", "٣:abcdef01", head[:-57], "3"):
        code, _, err = kubedossier("verify", "--head", odd)
        assert (code, "is not SEQ:HASH" in err) == (2, True)
    path = next(archive_path.rglob("*.parquet"))
    path.write_bytes(path.read_bytes() + b"x")
    code, out, err = kubedossier("verify")
    assert code == 5
    assert "file-size" in out
    assert "expected" in out
    assert "found" in out
    assert "1 finding in" in err


def test_compact_gc_and_retract_say_first_what_they_would_do(kubedossier, archive_path, source, tmp_path):
    kubedossier("import", source)
    more = tmp_path / "more.ndjson"
    more.write_text("\n".join(event(number) for number in range(20, 30)))
    kubedossier("import", more)
    assert "2 files to one file" in " ".join(kubedossier("compact", "--dry-run")[1].split())
    assert kubedossier("compact")[0] == 0
    assert kubedossier("compact")[1] == "Nothing to merge.\n"
    assert "add --yes" in kubedossier("gc")[2]
    assert len(list(archive_path.rglob("*.parquet"))) == 3
    assert "deleted" in kubedossier("gc", "--yes")[2]
    assert len(list(archive_path.rglob("*.parquet"))) == 1
    snapshot = json.loads((archive_path / "ledger" / "00000003.json").read_text())["id"]
    assert "add --yes" in kubedossier("retract", snapshot, "--reason", "test data")[2]
    assert kubedossier("query", "--sql", "select count(*) as n from events", "-f", "csv")[1].split() == ["n", "30"]
    assert kubedossier("retract", snapshot, "--reason", "test data", "--yes")[0] == 0
    assert kubedossier("query", "--sql", "select count(*) as n from events", "-f", "csv")[1].split() == ["n", "20"]
    assert kubedossier("verify", "--deep")[0] == 0


def test_status_tells_what_was_collected_and_what_is_only_imported(kubedossier, source):
    kubedossier("import", source)
    code, out, _ = kubedossier("status")
    assert code == 0
    assert "October 2026" in out
    assert "20 events" in out
    assert "imports are not attested to be complete" in out
    assert max(map(len, out.splitlines()[:5])) <= 200
    state = json.loads(kubedossier("status", "-f", "json")[1])
    assert state["head"]["seq"] == 2
    assert state["witnessed"] is True
    assert {day["state"] for row in state["calendar"] for day in row["days"]} == {"imported", "not collected"}


def test_odd_records_are_kept_counted_in_the_ledger_and_shown_by_status(kubedossier, archive_path, tmp_path):
    odd = {
        "time": None,
        "provider": "ibm",
        "attackTechniques": ["quantumTunnelling"],
        "sourceIPs": "10.0.0.1",
        "mood": "good",
    }
    path = tmp_path / "odd.ndjson"
    path.write_text("\n".join([event(1), json.dumps(odd), event(2, time="2099-01-01T00:00:00Z"), event(3, mood="bad")]))
    assert kubedossier("import", path)[0] == 0
    expected = {
        "unknown_field": 2,
        "time_missing": 1,
        "time_after_receipt": 1,
        "unknown_provider": 1,
        "unknown_technique": 1,
        "wrong_type:sourceIPs": 1,
    }
    assert json.loads((archive_path / "ledger" / "00000002.json").read_text())["drift"] == expected
    assert json.loads(kubedossier("status", "-f", "json")[1])["drift"] == expected
    out = kubedossier("status")[1]
    assert all(flag in out for flag in expected)
    assert {one.parent.name for one in archive_path.rglob("*.parquet")} == {
        "month=2026-10",
        "month=2099-01",
        "month=undated",
    }


def test_no_archive_is_told_with_advice(kubedossier):
    for command in ("status", "verify", "rejects", "query"):
        code, _, err = kubedossier(command, *(["top_users"] if command == "query" else []))
        assert code == 7
        assert "no archive" in err
