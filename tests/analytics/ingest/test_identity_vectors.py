"""The identity of events is frozen: pinned vectors, and the rule of the format computed a second time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.sources import derive

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "identity.json").read_text("utf-8"))


def plain_identity(values: list[object]) -> str:
    text = json.dumps([value or None for value in values], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["title"])
def test_identity_is_the_pinned_one_and_what_the_format_says(vector):
    row = derive(Record(vector["raw"].encode(), None, json.dumps(vector["context"])))
    assert row.event_id.hex() == vector["event_id"]
    assert plain_identity(vector["values"]) == vector["event_id"]
    assert (row.audit_key.hex() if row.audit_key else None) == vector["audit_key"]
    if vector["audit_key"]:
        assert plain_identity(vector["audit_key_values"]) == vector["audit_key"]


def test_collections_and_unknown_fields_do_not_change_who_an_event_is():
    first = derive(Record(b'{"time":"2026-10-01T00:00:00Z","verb":"get","collections":["All"]}'))
    again = derive(Record(b'{"verb": "get", "time": "2026-10-01T00:00:00Z", "collections": [], "new": {"a": 1}}'))
    assert first.event_id == again.event_id


def test_order_of_groups_counts_and_order_of_authorization_does_not():
    one = derive(Record(b'{"user":{"groups":["a","b"]},"authorizationInfo":{"x":"1","y":"2"}}'))
    other_order = derive(Record(b'{"user":{"groups":["b","a"]},"authorizationInfo":{"x":"1","y":"2"}}'))
    other_pairs = derive(Record(b'{"user":{"groups":["a","b"]},"authorizationInfo":{"y":"2","x":"1"}}'))
    assert one.event_id != other_order.event_id
    assert one.event_id == other_pairs.event_id
