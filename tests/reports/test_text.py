"""Untrusted strings are shown so that nobody is deceived, and never interpreted."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedossier.reports.pieces import Value
from kubedossier.reports.text import markup, plain, prose, runs, sentence


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("anna.lindqvist@example.com", "anna.lindqvist@example.com"),
        ("Zoë Müller-Łódź", "Zoë Müller-Łódź"),
        ("admin\u202egnp.exe", "admin[U+202E]gnp.exe"),
        ("a\x00b\x1b[31m\n", "a[U+0000]b[U+001B][31m[U+000A]"),
        ("\U0001f600", "[U+1F600]"),
        ("\u0430dmin", "[U+0430]dmin"),
        ("two\u00a0words", "two[U+00A0]words"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        (" ends ", "[U+0020]ends[U+0020]"),
        ("\u0301lone", "[U+0301]lone"),
        ("\ue000", "[U+E000]"),
        ("lone\ud800", "lone[U+D800]"),
    ],
)
def test_what_the_eye_cannot_see_stands_as_its_code_point(raw, shown):
    assert plain(raw) == shown


def test_a_long_value_is_cut_and_says_by_how_much():
    assert plain("a" * 300) == "a" * 140 + "[160 more]"
    assert plain("a" * 160) == "a" * 160


def test_marks_do_not_pile_up():
    assert plain("e" + "\u0301" * 5).count("[U+0301]") == 3


def test_html_is_text():
    assert markup("<script>{{7*7}}</script>") == '<span class="v">&lt;script&gt;{{7*7}}&lt;/script&gt;</span>'


def test_a_long_address_of_a_person_may_end_its_line_after_the_at_sign():
    assert "deployer@</span><wbr><span" in markup("svc-deployer@platform.example.com")
    assert "<wbr>" not in markup("anna@example.com")
    assert "<wbr>" not in markup("deployer@example-shop-stage.iam.gserviceaccount.com")  # what follows fits no line


def test_nothing_and_empty_are_told_apart():
    assert "none" in markup(None)
    assert "empty" in markup("")


def test_a_sentence_escapes_values_and_our_own_words():
    phrase = ("By ", Value("<b>\u202e"), " & others")
    assert prose(phrase) == ('By <span class="v">&lt;b&gt;<span class="chip">[U+202E]</span></span> &amp; others')
    assert sentence(phrase) == "By <b>[U+202E] & others"


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_whatever_comes_in_only_visible_characters_come_out(raw):
    shown = plain(raw)
    assert all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in shown)
    assert markup(raw).count("<span") == markup(raw).count("</span>")


@given(st.text(max_size=100))
def test_what_is_not_escaped_is_kept_in_order(raw):
    kept = "".join(text for text, is_escape in runs(raw) if not is_escape)
    position = 0
    for char in kept:
        position = raw.index(char, position) + 1
