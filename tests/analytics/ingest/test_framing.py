"""Where one JSON value ends: the same values whatever the shape of the file and the size of the blocks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest.sources import framing
from kubedossier.analytics.ingest.sources.console_json import split_array
from kubedossier.analytics.ingest.sources.framing import frame

json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5), json_texts, min_size=1, max_size=4)


def blocks_of(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def raws(data: bytes, size: int = 7) -> list[bytes]:
    return [one.raw for one in frame(blocks_of(data, size))]


@given(st.lists(objects, min_size=1, max_size=6), st.integers(1, 40), st.booleans())
def test_lines_come_out_byte_for_byte(values, size, ascii_only):
    lines = [json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") for value in values]
    assert raws(b"\r\n\n".join(lines) + b"\n", size) == lines


@given(st.lists(objects, max_size=6), st.integers(1, 40), st.sampled_from([",", ", ", ",\n", " ,\r\n "]))
def test_elements_of_an_array_come_out_byte_for_byte(values, size, separator):
    elements = [json.dumps(value, separators=(", ", " : ")).encode() for value in values]
    body = b" [\n" + separator.encode().join(elements) + b"\n]\n"
    assert raws(body, size) == elements
    assert split_array(body) == elements


@given(st.lists(objects, min_size=1, max_size=4), st.integers(1, 40))
def test_pretty_printed_objects_come_out_byte_for_byte(values, size):
    texts = [json.dumps(value, indent=2).encode() for value in values]
    assert raws(b"\n".join(texts) + b"\n", size) == texts


def test_a_damaged_element_costs_only_itself():
    body = b'[{"a":1},{"b":"\xff"},{"c":NaN},"text",{"d":4}]'
    expected = [b'{"a":1}', b'{"b":"\xff"}', b'{"c":NaN}', b'"text"', b'{"d":4}']
    assert raws(body) == expected
    assert split_array(body) == expected


def test_a_file_that_ends_too_early_gives_its_rest_as_a_value_with_its_place():
    found = list(frame([b'[{"a":1},{"b":']))
    assert [one.raw for one in found] == [b'{"a":1}', b'{"b":']
    assert "ends too early" in found[1].position


def test_positions_are_line_numbers():
    found = list(frame([b'{"a":1}\n\nnot json\n{"b":2}']))
    assert [one.position for one in found] == [1, 3, 4]


def test_a_byte_order_mark_is_left_out():
    assert raws(b'\xef\xbb\xbf{"a":1}\n{"b":2}\n') == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize("body", [b"", b"  \n ", b"[]", b" [ ] ", b"null"])
def test_nothing_inside_is_no_value(body):
    assert raws(body) == []


@pytest.mark.parametrize("body", [b"{}", b'[{"a":1}', b'[{"a":1}]]', b"<html></html>", b'{"a":1}]', b""])
def test_what_is_no_whole_array_is_an_error(body):
    with pytest.raises(ValueError, match="JSON array"):
        split_array(body)


def test_an_endless_value_is_refused(monkeypatch):
    monkeypatch.setattr(framing, "MAX_VALUE_BYTES", 1000)
    with pytest.raises(KubedossierError, match="larger than"):
        raws(b'{"a":"' + b"x" * 5000, 100)


class Counted:
    """A pattern that counts how often it was asked."""

    def __init__(self, pattern):
        self.pattern, self.searches = pattern, 0

    def search(self, *arguments):
        self.searches += 1
        return self.pattern.search(*arguments)


@pytest.mark.parametrize("start", [b"[ ", b"{\n "], ids=["array", "object"])
def test_a_value_that_never_ends_is_not_looked_through_again_with_every_block(monkeypatch, start):
    text = start + b'{"a": [1, "b", ' * 3000

    def searches(size):
        counted = Counted(pattern)
        monkeypatch.setattr(framing, "_STRUCTURE", counted)
        found = raws(text, size)
        assert b"".join(found).endswith(text[-2000:].strip())
        return counted.searches

    pattern = framing._STRUCTURE
    monkeypatch.setattr(framing, "_HEAD_BYTES", 1)
    assert searches(100) < 3 * searches(len(text))


@pytest.mark.parametrize("unit", [b"\n", b" ", b"\r\n"])
def test_blanks_without_end_meet_the_cap(monkeypatch, unit):
    monkeypatch.setattr(framing, "MAX_VALUE_BYTES", 5000)
    with pytest.raises(KubedossierError, match="blank beginning"):
        raws(unit * 6000 + b'{"verb":"get"}', 100)
    assert raws(unit * 2000 + b'{"verb":"get"}', 100) == [b'{"verb":"get"}']


def test_openers_without_end_meet_the_cap(monkeypatch):
    monkeypatch.setattr(framing, "MAX_VALUE_BYTES", 5000)
    for text in (b"[" * 20_000, b'{"a":[' * 4000, b'{\n "a": ' * 4000, b'[{"verb":"get"},' * 2000):
        with pytest.raises(KubedossierError, match="larger than"):
            raws(text, 100)
