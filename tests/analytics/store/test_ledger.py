"""The ledger: its bytes are frozen, its chain is checked at every read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import UTC, datetime

import pytest

from kubedossier.analytics.errors import IntegrityError, KubedossierError, StorageError
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.digests import EMPTY, Tally, digest, leaf
from kubedossier.analytics.store.ledger import NO_HASH, Ledger, entry_line, entry_path, read_time, time_text

LINE = (
    b'{"at":"2026-10-01T00:00:00.000000Z","format":1,"id":"20261001T000000Z-00c0ffee","note":"\\u00e9 \\u0000 </x>",'
    b'"prev":"0000000000000000000000000000000000000000000000000000000000000000","seq":1,"type":"note"}\n'
)


def test_an_entry_is_one_line_of_ascii_with_sorted_keys():
    entry = json.loads(LINE)
    assert entry_line(dict(reversed(entry.items()))) == LINE
    assert hashlib.sha256(LINE).hexdigest() == "5487be5e55138172e16bac750138d2f55d4be769ad5d4694e02e11f481e549b2"


@pytest.mark.parametrize("bad", [{"a": 1.5}, {"a": [{"b": 0.0}]}, {1: "a"}, {"a": float("nan")}])
def test_floats_and_other_keys_never_enter_the_ledger(bad):
    with pytest.raises(ValueError, match="ledger entry"):
        entry_line(bad)


def test_times_keep_microseconds_and_utc():
    moment = datetime(2026, 10, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert time_text(moment) == "2026-10-01T02:03:04.000005Z"
    assert read_time(time_text(moment)) == moment


def test_leaf_and_digest_are_what_stock_tools_compute():
    raws = [b"b", b"a", b"a"]
    lines = sorted(hashlib.sha256(raw).hexdigest() + "\n" for raw in raws)
    assert leaf(b"a").hex() == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert digest(map(leaf, raws)) == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert digest(map(leaf, raws)) == "2f9ff08f2567dd9dcd3c6747c6641a2dbba2408025e9fbd7492ed57d0c7866fe"
    assert digest([]) == EMPTY == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_tally_counts_by_month():
    tally = Tally()
    for month, raw in [("2026-10", b"a"), ("undated", b"b"), ("2026-10", b"c")]:
        tally.month(month).extend(leaf(raw))
    assert tally.counts() == {"2026-10": 2, "undated": 1}
    assert tally.facts()["2026-10"] == {"n": 2, "digest": digest([leaf(b"c"), leaf(b"a")])}


def test_a_tally_digests_many_leaves_and_repeats_as_one_by_one():
    leaves = [leaf(b"%d" % (number % 3000)) for number in range(5000)]
    tally = Tally()
    tally.month("2026-10").extend(b"".join(leaves))
    assert tally.facts()["2026-10"] == {"n": 5000, "digest": digest(leaves)}
    tally.month("2026-10").extend(leaves[0])  # what made the digest holds on to nothing
    assert tally.counts() == {"2026-10": 5001}


def notes(root, count):
    with Writer(root) as writer:
        for number in range(count):
            writer.append("note", f"20261001T00000{number}Z-00000000", {"text": f"note {number}"})
        return writer.ledger


def test_each_entry_holds_the_hash_of_the_file_before(archive_path):
    notes(archive_path, 3)
    prev = NO_HASH
    for seq in range(1, 5):
        data = entry_path(archive_path, seq).read_bytes()
        assert json.loads(data)["prev"] == prev
        prev = hashlib.sha256(data).hexdigest()
    assert Ledger.read(archive_path).head == (4, prev)


def test_the_first_entry_names_the_archive(archive_path):
    ledger = notes(archive_path, 0)
    assert ledger.entries[0]["type"] == "genesis"
    assert len(ledger.archive_id) == 36


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "not one line"),
        (lambda data: b"{}" + data, "not one line"),
        (lambda data: data.replace(b'"seq":3', b'"seq":9'), "says it is number 9"),
        (lambda data: data.replace(b'"prev":"', b'"prev":"0'), "expects"),
        (
            lambda data: data.replace(b'"type":"note",', b"").replace(b',"type":"note"', b""),
            "missing required field `type`",
        ),
    ],
)
def test_a_changed_entry_is_found_at_the_next_read(archive_path, change, message):
    notes(archive_path, 3)
    path = entry_path(archive_path, 3)
    path.chmod(0o600)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(IntegrityError, match=message):
        Ledger.read(archive_path)


def test_an_edited_entry_breaks_the_link_of_the_next(archive_path):
    notes(archive_path, 3)
    path = entry_path(archive_path, 2)
    path.write_bytes(path.read_bytes().replace(b"note 0", b"note 9"))
    with pytest.raises(IntegrityError, match="entry 3 expects"):
        Ledger.read(archive_path)


def test_an_unknown_critical_entry_stops_writers_and_not_readers(archive_path):
    with Writer(archive_path) as writer:
        writer.append("teleport", "20261001T000000Z-00000000", {"critical": True})
    assert Ledger.read(archive_path).head[0] == 2
    with pytest.raises(KubedossierError, match="teleport"):
        Writer(archive_path)


def test_an_unknown_harmless_entry_is_skipped(archive_path):
    with Writer(archive_path) as writer:
        writer.append("remark", "20261001T000000Z-00000000", {"critical": False})
    assert notes(archive_path, 1).head[0] == 3


def test_what_a_user_is_called_or_types_need_not_be_utf_8(archive_path, monkeypatch):
    monkeypatch.setenv("LOGNAME", os.fsdecode(b"us\xffer"))
    with Writer(archive_path) as writer:
        entry = writer.append("note", "x", {"typed": [{os.fsdecode(b"\xfe"): os.fsdecode(b"a\xe9\xf0\x9f\x98\x80")}]})
    assert (entry["actor"], entry["typed"]) == ("us\\udcffer", [{"\\udcfe": "a\\udce9\U0001f600"}])
    assert Ledger.read(archive_path).entries[-1] == entry


def test_half_a_character_that_was_written_before_is_read_as_its_number(archive_path):
    with Writer(archive_path):
        pass
    line = entry_path(archive_path, 1).read_bytes()
    host = re.search(rb'"host":"[^"]*"', line)[0]
    entry_path(archive_path, 1).write_bytes(line.replace(host, b'"host":"\\uDCFFx\\ud83d\\ude00"'))
    assert Ledger.read(archive_path).entries[0]["host"] == "\\udcffx\U0001f600"


def test_a_newer_format_is_refused_with_advice(archive_path):
    notes(archive_path, 0)
    path = entry_path(archive_path, 1)
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    with pytest.raises(StorageError, match="format 2") as caught:
        Ledger.read(archive_path)
    assert "newer" in caught.value.hint


def test_the_ledger_as_of_an_entry(archive_path):
    ledger = notes(archive_path, 3)
    assert ledger.up_to(2).head == (2, ledger.hashes[1])
    with pytest.raises(StorageError, match="no entry 9"):
        ledger.up_to(9)
