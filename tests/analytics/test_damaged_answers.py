"""A question over a damaged archive is answered as before or not at all, and what was found sound is hashed once."""

from __future__ import annotations

import os
import random
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import hard_archive
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.store import intact
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.damage import ReplacedError, settled
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.retention import collect_garbage
from kubedossier.analytics.store.verify import verify

QUESTIONS = {
    "a question of the catalogue": lambda archive: archive.query("top_users", limit=0),
    "a select of one's own": lambda archive: archive.sql(
        "select raw, time, verb, cluster, flags from records order by raw"
    ),
    "a select of the package's own": lambda archive: archive.select("select count(*), max(raw) from records", {}),
    "a lazy frame": lambda archive: archive.events().collect(),
    "a connection": lambda archive: archive.connect().sql("select min(raw), max(time) from events").fetchall(),
}


@pytest.fixture
def root(archive_path: Path) -> Path:
    return hard_archive.fill(archive_path)


def largest(root: Path) -> Path:
    return root / max(Ledger.read(root).live(), key=lambda one: one.bytes).path


def hashed(monkeypatch, within_ns: int = 0) -> list[str]:
    """The files that are hashed from now on; what was touched longer ago than that is remembered."""
    paths: list[str] = []
    below = intact.Intact._sound

    def noted(self, file):
        paths.append(file.path)
        return below(self, file)

    monkeypatch.setattr(intact.Intact, "_sound", noted)
    monkeypatch.setattr(intact, "SETTLED_NS", within_ns)
    return paths


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_no_flipped_bit_gives_another_answer_in_silence(root, ask):
    path = largest(root)
    data = path.read_bytes()
    ask(Archive(root))
    source = random.Random(7)
    for at in [*source.sample(range(len(data)), 40), len(data) - 1, len(data) - 300, 4]:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1 :])
        with pytest.raises(IntegrityError) as caught:
            ask(Archive(root))
        assert path.name in caught.value.message
        assert "kubedossier verify" in caught.value.hint


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_no_truncation_gives_another_answer_in_silence(root, ask):
    path = largest(root)
    data = path.read_bytes()
    for left in (0, 4, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:left])
        with pytest.raises(IntegrityError, match=f"{path.name}.*found {left:,}$"):
            ask(Archive(root))


def test_a_file_that_was_found_sound_is_hashed_again_only_when_it_looks_different(root, monkeypatch):
    paths = hashed(monkeypatch)
    Archive(root).query("top_users")
    assert sorted(paths) == sorted(one.path for one in Ledger.read(root).live() if one.min_time)
    paths.clear()
    Archive(root).query("top_users")
    assert paths == []
    path = largest(root)
    looks, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    os.utime(path, ns=(looks.st_atime_ns, looks.st_mtime_ns))
    with pytest.raises(IntegrityError, match=path.name):
        Archive(root).query("top_users")


def test_a_file_that_was_just_touched_is_not_remembered(root, monkeypatch):
    paths = hashed(monkeypatch, within_ns=10**15)
    Archive(root).query("top_users")
    once = list(paths)
    Archive(root).query("top_users")
    assert paths == [*once, *once]


def test_the_files_of_a_copy_are_hashed_themselves(root, tmp_path, monkeypatch):
    paths = hashed(monkeypatch)
    Archive(root).query("top_users")
    once = len(paths)
    shutil.copytree(root, tmp_path / "copy")
    Archive(tmp_path / "copy").query("top_users")
    assert len(paths) == 2 * once
    Archive(root).query("top_users")
    assert len(paths) == 2 * once


@pytest.fixture
def decayed(root, monkeypatch):
    """The largest file, remembered as sound, and a way to flip a bit of it so that its size, place and times stay."""
    monkeypatch.setattr(intact, "SETTLED_NS", 0)
    monkeypatch.setattr(intact, "_line", lambda file, look: f"{file.sha256} looks as it did")
    path = largest(root)
    data = path.read_bytes()

    def decay(at, bit):
        path.write_bytes(data)
        Archive(root).select("select count(*) from records", {})
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        return path

    return decay


@pytest.mark.parametrize("ask", list(QUESTIONS.values())[:3], ids=list(QUESTIONS)[:3])
def test_an_error_over_a_medium_that_decayed_unseen_names_the_file_and_nothing_is_remembered_then(root, decayed, ask):
    size, source, errors = largest(root).stat().st_size, random.Random(11), 0
    for at in [*source.sample(range(size), 40), size - 1, size - 300, 4]:
        path = decayed(at, source.randrange(8))
        try:
            ask(Archive(root))
        except IntegrityError as error:
            assert path.name in error.message
            errors += 1
            with pytest.raises(IntegrityError, match=path.name):
                ask(Archive(root))
    assert errors > 3


@pytest.mark.parametrize("finder", ["verify", "a report"])
def test_whoever_finds_a_file_damaged_has_questions_hash_it_again(root, decayed, finder):
    path = decayed(100, 3)
    Archive(root).query("top_users")  # what nobody looked at again is not seen
    if finder == "verify":
        assert {one.kind for one in verify(root).findings} == {"file-changed"}
    else:
        with pytest.raises(IntegrityError, match=path.name):
            Archive(root).check_anew(datetime(2014, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    with pytest.raises(IntegrityError, match=path.name):
        Archive(root).query("top_users")


@pytest.mark.parametrize(("days", "again"), [(6, False), (7, True), (-1, True)])
def test_what_was_found_sound_is_hashed_again_after_a_week_and_where_the_clock_was_wrong(
    root, monkeypatch, days, again
):
    paths, today = hashed(monkeypatch), intact._today()
    archive = Archive(root)
    archive.query("top_users")
    once = list(paths)
    monkeypatch.setattr(intact, "_today", lambda: today + days)
    archive.query("top_users")
    Archive(root).query("top_users")
    assert paths == once * (2 if again else 1)


def test_what_was_remembered_of_other_files_is_remembered_after_a_report(root, monkeypatch):
    paths = hashed(monkeypatch)
    Archive(root).query("top_users")
    one = max(Ledger.read(root).live(), key=lambda one: one.bytes)
    assert 0 < Archive(root).check_anew(one.min_time, one.max_time) < len(paths)
    paths.clear()
    Archive(root).query("top_users")
    assert paths == []


@pytest.mark.parametrize("put", ["a pipe", "a folder", "nothing of ours"])
def test_what_is_remembered_never_stops_a_question(root, monkeypatch, put):
    paths = hashed(monkeypatch)
    archive = Archive(root)
    place = intact._path(archive.ledger.archive_id)
    place.parent.mkdir(parents=True)
    if put == "a pipe":
        os.mkfifo(place)
    elif put == "a folder":
        place.mkdir()
    else:
        place.write_bytes(b"\xff\0\n" * 100)
    expected = archive.query("top_users").to_dicts()
    assert Archive(root).query("top_users").to_dicts() == expected
    assert paths
    assert put == "a folder" or stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [one.name for one in place.parent.iterdir()] == [place.name]


def test_evidence_is_hashed_whatever_is_remembered(root, monkeypatch):
    paths = hashed(monkeypatch)
    Archive(root).query("top_users")
    paths.clear()
    archive = Archive(root)
    moments = datetime(2014, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    assert archive.check_anew(*moments) == len(paths) == len([one for one in archive.ledger.live() if one.min_time])
    largest(root).unlink()
    with pytest.raises(IntegrityError, match="found nothing"):
        Archive(root).check_anew(*moments)


def merged(root: Path) -> None:
    """What a writer does while somebody reads: all files are merged, and the old ones deleted."""
    assert list(compact(root, datetime(2027, 6, 1, tzinfo=UTC)))
    assert collect_garbage(root)


@pytest.mark.parametrize("ask", list(QUESTIONS.values())[:3], ids=list(QUESTIONS)[:3])
def test_a_file_that_a_writer_replaced_is_no_damage_and_the_question_is_answered_again(root, ask):
    opened = []

    def answer():
        archive = Archive(root)
        if not opened:
            merged(root)
        opened.append(archive.head)
        return ask(archive)

    expected = ask(Archive(root))
    found = settled(answer)
    assert found.equals(expected)
    assert len(set(opened)) == 2


def test_an_entry_whose_files_are_deleted_is_told_and_not_tried_for_ever(root):
    seq = Ledger.read(root).head[0]
    merged(root)
    with pytest.raises(ReplacedError, match=r"has not kept .* which a later entry replaced"):
        settled(lambda: Archive(root, as_of=seq).query("top_users"))
