"""A bundle: the same bytes each time, plain names, and everything in it exact."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import stat
import zipfile
from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import IntegrityError, StorageError, UsageError
from kubedossier.analytics.evidence import cells
from kubedossier.analytics.evidence.columns import MEANINGS
from kubedossier.analytics.evidence.leaves import LeafRuns
from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.digests import digest
from kubedossier.analytics.store.ledger import Ledger, entry_path, read_time
from kubedossier.analytics.store.retention import collect_garbage, retract

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def raws_of(root, month="2026-10"):
    files = [one for one in Ledger.read(root).live() if one.month == month]
    return [raw for one in files for raw in pq.read_table(root / one.path, partitioning=None)["raw"].to_pylist()]


def info_of(bag):
    return dict(line.split(": ", 1) for line in (bag / "bag-info.txt").read_text().splitlines())


def ledger_lines(bag):
    return (bag / "data/ledger.jsonl").read_bytes().splitlines(keepends=True)


def test_the_same_archive_gives_the_same_bytes(root, october, tmp_path, kit):
    assert kit.make_bundle(root, tmp_path).read_bytes() == october.read_bytes()


def test_later_entries_change_nothing_about_a_bundle_as_of_an_earlier_one(root, october, tmp_path, kit):
    seq = Ledger.read(root).head[0]
    kit.take(root, [kit.compact(kit.event(99))])
    assert kit.make_bundle(root, tmp_path, as_of=seq).read_bytes() == october.read_bytes()
    assert kit.make_bundle(root, tmp_path).name != october.name


def test_the_zip_is_stored_in_a_fixed_order_with_fixed_stamps_below_one_folder(october):
    with zipfile.ZipFile(october) as archive:
        infos = archive.infolist()
    names = [one.filename for one in infos]
    assert {one.compress_type for one in infos} == {zipfile.ZIP_STORED}
    assert {one.date_time for one in infos} == {(1980, 1, 1, 0, 0, 0)}
    modes = {one.filename.split("/")[-1]: one.external_attr >> 16 for one in infos}
    assert modes.pop("verify.sh") == stat.S_IFREG | 0o755
    assert set(modes.values()) == {stat.S_IFREG | 0o644}
    assert {name.split("/")[0] for name in names} == {october.stem}
    payload = [name for name in names if "/data/" in name]
    assert names[-len(payload) :] == payload == sorted(payload)


def test_no_name_in_it_comes_from_an_event(october):
    with zipfile.ZipFile(october) as archive:
        names = archive.namelist()
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9._/-]+", name) or ".." in name or "//" in name] == []
    assert not any(one in name for name in names for one in ("etc", "CON", "gnp", "xxx"))


def test_it_says_what_it_is_about(bag, root):
    info = info_of(bag)
    ledger = Ledger.read(root)
    head = f"{ledger.head[0]}:{ledger.head[1]}"
    files = [path for path in (bag / "data").rglob("*") if path.is_file()]
    assert info["Payload-Oxum"] == f"{sum(path.stat().st_size for path in files)}.{len(files)}"
    assert info["Kubedossier-Head"] == head
    assert info["Kubedossier-Period"] == "2026-10-01T00:00:00Z/2026-11-01T00:00:00Z"
    assert info["Bagging-Date"] == f"{read_time(ledger.entries[-1]['at']):%Y-%m-%d}"
    expected = hashlib.sha256(f"{ledger.archive_id} 2026-10 {head}\n".encode()).hexdigest()[:32]
    assert info["External-Identifier"] == expected
    assert "Source-Organization" not in info


def test_it_is_a_bag_as_rfc_8493_wants_it(bag):
    assert (bag / "bagit.txt").read_bytes() == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    files = {path.relative_to(bag).as_posix() for path in bag.rglob("*") if path.is_file()}
    listed = {}
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        lines = (bag / name).read_bytes().decode("ascii").split("\n")
        assert lines.pop() == ""
        assert lines == sorted(lines, key=lambda line: line[66:])
        assert all(re.fullmatch(r"[0-9a-f]{64}  \S+", line) for line in lines)
        listed[name] = {line[66:]: line[:64] for line in lines}
    assert listed["manifest-sha256.txt"].keys() == {name for name in files if name.startswith("data/")}
    tags = {name for name in files if not name.startswith("data/")} - {"tagmanifest-sha256.txt"}
    assert listed["tagmanifest-sha256.txt"].keys() == tags
    for name, expected in (listed["manifest-sha256.txt"] | listed["tagmanifest-sha256.txt"]).items():
        assert hashlib.sha256((bag / name).read_bytes()).hexdigest() == expected
    assert all(re.fullmatch(r"[A-Za-z-]+: \S.*", line) for line in (bag / "bag-info.txt").read_text().splitlines())


def test_an_organisation_cannot_write_lines_of_its_own(root, tmp_path, kit):
    bag = kit.unpack(kit.make_bundle(root, tmp_path, organisation="ACME\nKubedossier-Head: 1:0"), tmp_path / "u")
    assert info_of(bag)["Source-Organization"] == "ACME[U+000A]Kubedossier-Head: 1:0"


def test_the_parquet_files_are_those_of_the_archive_byte_by_byte(bag, root):
    live = {one.path.split("/")[-1]: one for one in Ledger.read(root).live() if one.month == "2026-10"}
    found = {path.name: path for path in (bag / "data/events/2026-10").iterdir()}
    assert found.keys() == live.keys()
    assert all(path.read_bytes() == (root / live[name].path).read_bytes() for name, path in found.items())


def test_every_line_of_the_ndjson_is_an_event_exactly_but_for_line_breaks(bag, root):
    raws = raws_of(root)
    lines = (bag / "data/events.ndjson").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    assert lines == [raw.replace("\r", " ").replace("\n", " ") for raw in raws]
    assert sum("\n" in raw for raw in raws) == 11


def test_the_marks_of_reflowed_lines_give_the_exact_text_back(bag, root):
    raws = raws_of(root)
    lines = (bag / "data/events.ndjson").read_bytes().split(b"\n")
    marks = [mark.split(" ") for mark in (bag / "data/leaves/reflowed.txt").read_text().splitlines()]
    assert [int(number) - 1 for number, _, _ in marks] == [n for n, raw in enumerate(raws) if "\n" in raw]
    for number, leaf, breaks in marks:
        text = bytearray(lines[int(number) - 1])
        for one in breaks.split(","):
            text[int(one[1:]) - 1 : int(one[1:])] = {"n": b"\n", "r": b"\r"}[one[0]]
        assert bytes(text) == raws[int(number) - 1].encode()
        assert hashlib.sha256(text).hexdigest() == leaf


def test_the_sha256_of_a_file_of_leaves_is_the_digest_in_the_ledger(bag, root):
    expected = {
        f"{entry['id']}.txt": entry["added"]["2026-10"]["digest"]
        for entry in Ledger.read(root).entries
        if "2026-10" in entry.get("added", {})
    }
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (bag / "data/leaves").iterdir()
        if path.name != "reflowed.txt"
    }
    assert found == expected
    assert len(found) == 3


def test_the_ledger_is_whole_and_its_lines_are_chained(bag, root):
    ledger, lines = Ledger.read(root), ledger_lines(bag)
    assert [hashlib.sha256(line).hexdigest() for line in lines] == list(ledger.hashes)
    assert b"".join(lines) == b"".join(entry_path(root, seq).read_bytes() for seq in range(1, len(lines) + 1))


def test_csv_cells_that_a_spreadsheet_would_run_are_text_and_numbers_stay(bag):
    rows = list(csv.DictReader(io.StringIO((bag / "data/events.csv").read_bytes().decode(), newline="")))
    assert len(rows) == 77
    messages = {row["message"] for row in rows}
    assert {"'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx"} <= messages
    clusters = {row["cluster"] for row in rows}
    assert {"'=cmd|' /C calc'!A0", "'-rf", "../../etc/passwd", "line\nbreak", ""} <= clusters
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert rows[0]["time"] == "2026-10-01T00:00:00.000000Z"
    assert json.loads(rows[0]["groups"]) == ["system:authenticated"]


def test_negative_numbers_stay_numbers_in_csv():
    row = dict.fromkeys(EVENT_SCHEMA.names) | {"status_code": -5, "user": "-5"}
    line = cells.lines(pa.RecordBatch.from_pylist([row], schema=EVENT_SCHEMA)).decode()
    found = dict(zip(cells.COLUMNS, next(csv.reader([line])), strict=True))
    assert (found["status_code"], found["user"], found["uid"]) == ("-5", "'-5", "")


@pytest.mark.parametrize("name", ["top_users", "techniques_by_day", "privileged_actions", "cluster_ranking"])
@pytest.mark.parametrize("retracted", [False, True])
def test_the_sql_in_it_answers_as_the_archive_does(root, tmp_path, kit, monkeypatch, name, retracted):
    duckdb = pytest.importorskip("duckdb")
    if retracted:
        (first, *_) = (one.snapshot for one in Ledger.read(root).live() if one.month == "2026-10")
        list(compact(root, NOW))
        retract(root, first, "a test")
    bag = kit.unpack(kit.make_bundle(root, tmp_path), tmp_path / "u")
    answer = Archive(root).answer(name, start="2026-10-01", end="2026-11-01")
    monkeypatch.chdir(bag)
    with duckdb.connect() as connection:
        connection.execute((bag / "data/sql/views.sql").read_text())
        found = connection.execute((bag / f"data/sql/{name}.sql").read_text(), answer.parameters).fetchall()
    own = [column for column in answer.frame.columns if not column.startswith(("previous", "change"))]
    places = [answer.frame.columns.index(column) for column in own]
    rows = [
        tuple(one.replace(tzinfo=None) if isinstance(one, datetime) else one for one in row)
        for row in answer.frame.select(own).iter_rows()
    ]
    assert [tuple(row[place] for place in places) for row in found] == rows
    assert rows


def test_rejects_travel_with_the_snapshots_of_the_month(bag, root):
    concerned = {entry["id"] for entry in Ledger.read(root).entries if "2026-10" in entry.get("observed", {})}
    assert {path.name.split(".")[0] for path in (bag / "data/rejects").iterdir()} == concerned
    readme = " ".join((bag / "README.txt").read_text().split())
    assert "what could not be read, of the same snapshots (3)" in readme
    assert "saw nothing of this month, and so are not here: 2." in readme


def test_what_was_collected_and_what_was_not_is_told(bag):
    rows = list(csv.DictReader(io.StringIO((bag / "data/collected.csv").read_text())))
    states = [(row["from"][:10], row["to"][:10], row["state"]) for row in rows]
    assert states == [
        ("2026-10-01", "2026-10-11", "collected"),
        ("2026-10-11", "2026-10-12", "gap: dropped"),
        ("2026-10-12", "2026-11-01", "collected"),
    ]
    assert "https://console.example:8083: 720 of 744." in " ".join((bag / "README.txt").read_text().split())


def test_a_month_without_events_is_bundled_and_says_so(root, tmp_path, kit):
    bag = kit.unpack(kit.make_bundle(root, tmp_path, "2025-01"), tmp_path / "u")
    assert info_of(bag)["Kubedossier-Events"] == "0"
    assert "There are no events of January 2025" in (bag / "README.txt").read_text()
    assert (bag / "data/events.ndjson").read_bytes() == b""
    assert len((bag / "data/events.csv").read_text().splitlines()) == 1


def test_undated_records_are_named_and_have_a_bundle_of_their_own(bag, root, tmp_path, kit):
    readme = " ".join((bag / "README.txt").read_text().split())
    assert "Records of the archive without a usable time, which belong to no month: 2." in readme
    undated = kit.unpack(kit.make_bundle(root, tmp_path, "undated"), tmp_path / "u")
    assert info_of(undated)["Kubedossier-Events"] == "2"
    assert not (undated / "data/collected.csv").exists()


def test_a_compacted_archive_gives_the_same_leaves(root, bag, tmp_path, kit):
    list(compact(root, NOW))
    after = kit.unpack(kit.make_bundle(root, tmp_path), tmp_path / "u")
    assert len(list((after / "data/events/2026-10").iterdir())) == 1
    for path in (bag / "data/leaves").iterdir():
        if path.name != "reflowed.txt":
            assert (after / "data/leaves" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("compacted", [False, True])
def test_the_events_of_a_retracted_snapshot_are_not_in_the_texts(root, tmp_path, kit, compacted):
    (first, *_) = (one.snapshot for one in Ledger.read(root).live() if one.month == "2026-10")
    if compacted:
        list(compact(root, NOW))
    retract(root, first, "a test")
    bag = kit.unpack(kit.make_bundle(root, tmp_path), tmp_path / "u")
    assert info_of(bag)["Kubedossier-Events"] == "47"
    assert not [path for path in bag.rglob("*") if first in path.name]
    assert "with the reason in the ledger: 1. Their events are not counted" in " ".join(
        (bag / "README.txt").read_text().split()
    )
    rows = list(csv.DictReader(io.StringIO((bag / "data/events.csv").read_bytes().decode(), newline="")))
    assert len(rows) == 47
    assert first not in {row["snapshot"] for row in rows}


def test_an_entry_whose_files_are_gone_is_told(root, tmp_path, kit):
    seq = Ledger.read(root).head[0]
    list(compact(root, NOW))
    kit.make_bundle(root, tmp_path, as_of=seq)
    collect_garbage(root)
    with pytest.raises(StorageError, match="has not kept"):
        kit.make_bundle(root, tmp_path, as_of=seq)


def test_the_report_is_the_archives_own_or_the_one_that_is_named(root, tmp_path, kit):
    own = root / "reports/2026-10/monthly-2026-10.pdf"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"%PDF-1.7 own")
    other = tmp_path / "other.pdf"
    other.write_bytes(b"%PDF-1.7 other")
    found = kit.unpack(kit.make_bundle(root, tmp_path), tmp_path / "a")
    assert (found / "data/report.pdf").read_bytes() == b"%PDF-1.7 own"
    found = kit.unpack(kit.make_bundle(root, tmp_path, report=other), tmp_path / "b")
    assert (found / "data/report.pdf").read_bytes() == b"%PDF-1.7 other"
    other.write_bytes(b"<html>")
    with pytest.raises(UsageError, match="is no PDF"):
        kit.make_bundle(root, tmp_path, report=other)
    with pytest.raises(UsageError, match="No such file"):
        kit.make_bundle(root, tmp_path, report=tmp_path / "none.pdf")


def test_a_damaged_archive_is_refused_with_every_finding(root, tmp_path, kit):
    one, other, *_ = (root / one.path for one in Ledger.read(root).live() if one.month == "2026-10")
    data = bytearray(one.read_bytes())
    data[100] ^= 1
    one.write_bytes(data)
    other.unlink()
    with pytest.raises(IntegrityError) as caught:
        kit.make_bundle(root, tmp_path)
    assert {f"file-changed  {one.relative_to(root)}", f"file-missing  {other.relative_to(root)}"} <= set(
        caught.value.message.splitlines()
    )


def test_a_removed_entry_and_a_slipped_in_file_are_refused(root, tmp_path, kit):
    (path,) = (root / "events/month=2026-09").iterdir()
    stranger = root / "events/month=2026-10/20261001T000000Z-00000000-1.parquet"
    stranger.write_bytes(path.read_bytes())
    with pytest.raises(IntegrityError, match="file-unknown"):
        kit.make_bundle(root, tmp_path)
    stranger.unlink()
    entry_path(root, 3).unlink()
    with pytest.raises(IntegrityError, match="entry 3 is missing"):
        kit.make_bundle(root, tmp_path)
    entry_path(root, 4).unlink()
    with pytest.raises(IntegrityError, match="entry-missing"):
        kit.make_bundle(root, tmp_path)


def test_the_damage_of_another_month_does_not_keep_this_one_back(root, october, tmp_path, kit):
    (path,) = (root / "events/month=2026-09").iterdir()
    path.unlink()
    assert kit.make_bundle(root, tmp_path).read_bytes() == october.read_bytes()


def test_no_archive_and_no_month_are_told(root, tmp_path, kit):
    with pytest.raises(StorageError, match="no archive"):
        kit.make_bundle(tmp_path / "nowhere", tmp_path)
    with pytest.raises(UsageError, match="one calendar month"):
        kit.make_bundle(root, tmp_path, "2026-Q3")
    with pytest.raises(StorageError, match="no entry 99"):
        kit.make_bundle(root, tmp_path, as_of=99)


def test_leaves_that_do_not_fit_in_memory_come_out_the_same(tmp_path):
    leaves = [hashlib.sha256(b"%d" % (number % 90)).digest() for number in range(100)]
    with (tmp_path / "spool").open("w+b") as spool:
        runs = LeafRuns(spool, held=7)
        for number, one in enumerate(leaves):
            runs.add(f"s{number % 2}", one)
        assert spool.tell() > 0
        for name, some in (("s0", leaves[::2]), ("s1", leaves[1::2])):
            assert hashlib.sha256(b"".join(runs.lines(name))).hexdigest() == digest(some)
            assert Counter(runs.sorted(name)) == Counter(some)
        assert runs.snapshots() == ["s0", "s1"]


def test_every_column_has_a_meaning():
    assert list(MEANINGS) == EVENT_SCHEMA.names
