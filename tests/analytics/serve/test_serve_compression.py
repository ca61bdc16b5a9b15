"""Answers are compressed for clients that can read them so, and are otherwise the same."""

from __future__ import annotations

import gzip

import pytest

PATH = "/api/v33.01/audits/kubernetes"
GZIP, PLAIN = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}


def answers(served, path, **options) -> tuple:
    """Plain and compressed answer."""
    return tuple(served.get(path=path, headers=headers, **options) for headers in (PLAIN, GZIP))


@pytest.mark.parametrize("path", [PATH, PATH + "/download"])
def test_a_compressed_answer_holds_the_same_as_a_plain_one(served, path):
    plain, compressed = answers(served, path)
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.content == plain.content
    assert compressed.headers["Content-Type"] == plain.headers["Content-Type"]
    assert compressed.headers.get("Total-Count") == plain.headers.get("Total-Count")
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"


def test_a_compressed_page_is_a_fraction_of_it_on_the_wire(served):
    plain, _ = answers(served, PATH)
    with served.http.stream("GET", PATH, headers=GZIP) as answer:
        wire = b"".join(answer.iter_raw())
    assert int(answer.headers["Content-Length"]) == len(wire)
    assert gzip.decompress(wire) == plain.content
    assert len(wire) * 3 < len(plain.content)


@pytest.mark.parametrize("pairs", [[("limit", "1")], [("user", "nobody")], [("limit", "x")]])
def test_small_answers_and_errors_stay_plain(served, pairs):
    answer = served.get(pairs, headers=GZIP)
    assert "Content-Encoding" not in answer.headers
    assert len(answer.content) < 1024


def test_a_token_is_never_compressed(served):
    answer = served.http.post(
        "/api/v1/authenticate", json={"username": "reader", "password": "s3cret:with colon"}, headers=GZIP
    )
    assert answer.json()["token"]
    assert "Content-Encoding" not in answer.headers


def test_a_long_download_comes_in_pieces_when_it_is_compressed_too(serving, add, make_audit, archive_path):
    add(archive_path, [make_audit(n % 1000, message=f"{n}" * 100) for n in range(2500)])
    with serving(archive_path) as served, served.http.stream("GET", PATH + "/download", headers=GZIP) as answer:
        assert "Content-Length" not in answer.headers
        text = b"".join(answer.iter_bytes())
    assert text.count(b"\r\n") == 2501
