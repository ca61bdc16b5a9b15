"""Raw text survives byte for byte, whatever the JSON: escapes, repeated keys, odd numbers, blanks, all of Unicode."""

from __future__ import annotations

import bz2
import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.importer import import_files
from kubedossier.analytics.ingest.recheck import recheck_events
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
    pairs = st.lists(st.tuples(keys, blanks, inner, blanks), max_size=4)
    return pairs.map(lambda some: "{" + ",".join(f"{key}{a}:{value}{b}" for key, a, value, b in some) + "}")


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


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(records, st.sampled_from([bytes, gzip.compress, bz2.compress]), st.sampled_from([None, FORMAT]))
@example(['{"time":"2026-10-01T00:00:00Z","a":1,"a":2,"x":1.50E+1,"é":"\\u00e9\x85\u2028","message":"0"}'], bytes, None)
def test_every_record_is_kept_byte_for_byte_as_an_event_or_a_reject(tmp_path_factory, shape, some, pack, form):
    some = [*some, GOOD]
    folder = tmp_path_factory.mktemp("text")
    (folder / "events").write_bytes(pack(SHAPES[shape](some).encode()))
    list(import_files(folder / "dossier", [str(folder / "events")], input_format=form))
    assert everything_kept(folder / "dossier") == sorted(some)
    list(compact(folder / "dossier", datetime(2027, 1, 1, tzinfo=UTC)))
    assert everything_kept(folder / "dossier") == sorted(some)
    assert not verify(folder / "dossier", level="deep", recheck=recheck_events).findings
