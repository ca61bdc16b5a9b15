"""Raw text survives byte for byte, whatever the JSON: escapes, repeated keys, odd numbers, blanks, all of Unicode."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import unicodedata
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest import derivation
from kubedossier.analytics.ingest.chunks import Lines
from kubedossier.analytics.ingest.importer import import_files
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.sources import framing
from kubedossier.analytics.ingest.sources.console_json import FORMAT
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.rejects import read_rejects
from kubedossier.analytics.store.verify import verify

blanks = st.sampled_from(["", "", "", " ", "\t", "  "])
plain = st.characters(exclude_categories=["Cs"], exclude_characters='"\\').filter(lambda one: one >= " ")
escapes = st.sampled_from(
    [r"\n", r"\t", r"\"", r"\\", r"\/", r"\b", r"\f", r"\r", r"\u0000", r"\u2028", r"\ud83d\ude00"]
)
units = st.integers(0, 0xFFFF).map(lambda unit: f"\\u{unit:04x}")  # lone surrogates among them
strings = st.lists(plain | escapes | units, max_size=6).map(lambda parts: '"' + "".join(parts) + '"')
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
leaves = strings | numbers | st.sampled_from(["true", "false", "null", "-0", "1e400", "NaN", "Infinity", "9" * 400])


def listed(inner):
    return st.tuples(blanks, st.lists(inner, max_size=3), blanks).map(
        lambda one: f"[{one[0]}{','.join(one[1])}{one[2]}]"
    )


def keyed(inner, keys=strings):
    pairs = st.lists(st.tuples(keys, blanks, blanks, inner, blanks), max_size=4)
    return pairs.map(lambda some: "{" + ",".join(f"{key}{a}:{b}{value}{c}" for key, a, b, value, c in some) + "}")


FIELDS = ("time", "verb", "user", "cluster", "resources", "eventBlob", "sourceIPs", "provider", "auditID", "stage")
values = st.recursive(leaves, lambda inner: listed(inner) | keyed(inner), max_leaves=6)
texts = keyed(values, st.sampled_from([f'"{one}"' for one in FIELDS]) | strings)
# What ends each record makes it an event of its own; where a key comes twice, the last one counts.
records = st.lists(texts, min_size=1, max_size=12).map(
    lambda some: [
        f'{one[:-1]}{"," if len(one) > 2 else ""}"verb":"v","message":"{number}"}}' for number, one in enumerate(some)
    ]
)

GOOD = '{"verb":"get","message":"good"}'  # a file with nothing readable in it would be refused as a whole


def everything_kept(root):
    """Raw text of events by way of the views, and of rejects."""
    ledger = Ledger.read(root)
    events = Archive(root).select("select raw from records", {}).to_pydict()["raw"]
    return sorted(events + [one.raw.decode() for file in ledger.live("rejects") for one in read_rejects(root, file)])


SHAPES = {
    "lines": lambda some: "\n".join(some) + "\n",
    "lines of Windows": lambda some: "\ufeff" + "\r\n\r\n".join(some),
    "array": lambda some: "[\n  " + " ,\n  ".join(some) + "\n]",
}


# All in one, so that every run sees it: what a record would lose to one mistake or another.
HARD = (
    '{"time":"2026-10-01T00:00:00Z","a":1,"a":2,\t"x" : 1.50E+1,"y":-0.50,"e\u0301\u00e9\x85\u2028":'
    + r'"\/\u00e9\ud83d\ude00\u2028\u0000"'
    + ',"message":"0" }'
)
ORDINARY = r'{"time" :"2026-10-01T00:00:00Z","verb": "get","user":{"username":"\/\u00e9" },"message":"\ud83d\ude00"}'
packings = st.sampled_from([bytes, gzip.compress, bz2.compress])
formats = st.sampled_from([None, FORMAT])


def hold_to_the_promise(folder, shape, some, pack, form):
    some = [*some, GOOD]
    (folder / "events").write_bytes(pack(SHAPES[shape](some).encode()))
    list(import_files(folder / "dossier", [str(folder / "events")], input_format=form))
    assert everything_kept(folder / "dossier") == sorted(some)
    list(compact(folder / "dossier", datetime(2027, 1, 1, tzinfo=UTC)))
    assert everything_kept(folder / "dossier") == sorted(some)
    assert not verify(folder / "dossier", level="deep", recheck=recheck_events).findings


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(records, packings, formats)
@example([HARD, ORDINARY], bytes, None)
def test_every_record_is_kept_byte_for_byte_as_an_event_or_a_reject(tmp_path_factory, shape, some, pack, form):
    hold_to_the_promise(tmp_path_factory.mktemp("text"), shape, some, pack, form)


def written_again(raw):
    """Parsed and serialised: blanks, escapes, numbers and repeated keys are lost."""
    try:
        return msgspec.json.encode(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return raw


def without_repeated_keys(raw):
    repeated = []

    def kept(pairs):
        repeated.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    try:
        value = json.loads(raw, object_pairs_hook=kept)
    except (ValueError, RecursionError):
        return raw
    return json.dumps(value).encode() if any(repeated) else raw


# Mistakes in what becomes of a record's text; whatever they do, the archive is sound in itself.
MISTAKES = {
    "serialised again": written_again,
    "repeated keys lost": without_repeated_keys,
    "escaped slash normalised": lambda raw: raw.replace(rb"\/", b"/"),
    "escape decoded": lambda raw: raw.replace(rb"\u2028", "\u2028".encode()),
    "upper case of an escape": lambda raw: re.sub(rb"\\u[0-9a-f]{4}", lambda found: found[0].upper(), raw),
    "number rewritten": lambda raw: raw.replace(b"E", b"e"),
    "zeros at the end of a fraction lost": lambda raw: re.sub(rb"(\.\d+?)0+(?=[,}\]])", rb"\1", raw),
    "tabs are blanks": lambda raw: raw.replace(b"\t", b" "),
    "blanks lost": lambda raw: re.sub(rb"(?<=[:,{])[ \t]+", b"", raw),
    "Unicode normalised": lambda raw: unicodedata.normalize("NFC", raw.decode()).encode(),
}


def lines_of_text(text):
    """Lines as str.splitlines has them, which ends them at more than line feeds."""
    return "\n".join(text.decode().splitlines()).encode()


def plant(monkeypatch, mistake):
    """Plant a mistake where records become rows, or in the framing."""
    if mistake == "carriage return kept":
        monkeypatch.setattr(framing, "_BLANK", b" \t\n")
    elif mistake == "byte order mark kept":
        monkeypatch.setattr(framing, "_BOM", b"\0\0\0")
    else:
        derive_chunk = derivation.derive_chunk
        monkeypatch.setattr(derivation, "derive_chunk", lambda chunk: derive_chunk(changed(chunk, mistake)))


def changed(chunk, mistake):
    if not isinstance(chunk, Lines):
        change = MISTAKES.get(mistake, bytes)
        return [msgspec.structs.replace(record, raw=change(record.raw)) for record in chunk]
    if mistake == "lines of text":
        return msgspec.structs.replace(chunk, text=lines_of_text(chunk.text))
    raws = [MISTAKES[mistake](raw) for raw in chunk.cut()[0]]
    return msgspec.structs.replace(chunk, text=b"\n".join(raws))


@pytest.mark.parametrize("mistake", [*MISTAKES, "lines of text", "carriage return kept", "byte order mark kept"])
def test_the_hard_record_finds_every_planted_mistake(tmp_path_factory, monkeypatch, mistake):
    plant(monkeypatch, mistake)
    with pytest.raises(AssertionError, match="assert"):
        for shape in SHAPES:
            hold_to_the_promise(tmp_path_factory.mktemp("text"), shape, [HARD], bytes, None)
