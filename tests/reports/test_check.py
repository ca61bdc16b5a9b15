"""The check of a report: a sound file passes, and each rule finds the file that was broken for it."""

from __future__ import annotations

import io
import json
import subprocess
import tracemalloc
import zlib

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from kubedossier.analytics.errors import IntegrityError, KubedossierError, StorageError
from kubedossier.cli import cli, diagnostics
from kubedossier.reports import check, check_streams, verapdf
from kubedossier.reports.confinement import Limits
from kubedossier.reports.evidence import MANIFEST_NAME

AS_IT_IS = {"fix_metadata_version": False, "compress_streams": False}
PASSED = '<details passedRules="1" failedRules="0" passedChecks="7" failedChecks="{}">'


@pytest.fixture
def checked(tmp_path):
    def call(data: bytes):
        path = tmp_path / "report.pdf"
        path.write_bytes(data)
        return check.judged(path)

    return call


@pytest.mark.parametrize("name", ["busy_pdf", "quiet_pdf", "hostile_pdf"])
def test_a_report_holds_every_rule(checked, name, request):
    verdict = checked(request.getfixturevalue(name))
    assert verdict.findings == ()
    assert verdict.rules >= 30


def test_the_check_tells_number_seal_and_head(checked, busy_pdf, busy_report):
    verdict, cover = checked(busy_pdf), busy_report.cover
    assert (verdict.number, verdict.seal) == (cover.number, cover.seal)
    assert verdict.head == (cover.as_of_seq, cover.as_of_hash)


def first(pdf, kind):
    return next(one for one in pdf.objects if isinstance(one, Dictionary) and one.get("/S") == kind and "/P" in one)


def link(pdf):
    return next(note for page in pdf.pages for note in page.get("/Annots", []))


def spec(pdf, name="e01-activity-by-day.csv"):
    names = pdf.Root.Names.EmbeddedFiles.Names
    return next(names[n + 1] for n in range(0, len(names), 2) if str(names[n + 1].UF) == name)


def descriptor(pdf):
    return next(one for one in pdf.objects if isinstance(one, Dictionary) and one.get("/Type") == "/FontDescriptor")


def drop(key, *found):
    def change(pdf):
        holder = found[0](pdf) if found else pdf.Root
        del holder[key]

    return change


def put(key, value, *found):
    def change(pdf):
        holder = found[0](pdf) if found else pdf.Root
        holder[key] = value() if callable(value) else value

    return change


def xmp(old, new):
    def change(pdf):
        held = pdf.Root.Metadata.read_bytes()
        assert old in held
        pdf.Root.Metadata.write(held.replace(old, new))

    return change


def rewritten(name, change_of):
    def change(pdf):
        stream = spec(pdf, name).EF.F
        stream.write(change_of(stream.read_bytes()))

    return change


def added_file(pdf):
    pdf.attachments["more.csv"] = pikepdf.AttachedFileSpec(pdf, b"1", filename="more.csv")


def other_cover(pdf):
    page = pdf.pages[0]
    steps = [step for step in pikepdf.parse_content_stream(page) if str(step.operator) not in ("TJ", "Tj")]
    page.Contents = pdf.make_stream(pikepdf.unparse_content_stream(steps))


def no_map(pdf):
    font = next(one for one in pdf.objects if isinstance(one, Dictionary) and "/ToUnicode" in one)
    del font["/ToUnicode"]


def no_font_file(pdf):
    found = descriptor(pdf)
    for key in ("/FontFile", "/FontFile2", "/FontFile3"):
        if key in found:
            del found[key]


def no_thead(pdf):
    first(pdf, "/THead")["/S"] = Name("/TBody")


def lost_section(pdf):
    del pdf.Root.StructTreeRoot.K[0].K[-1]


def outside_stream(pdf):
    pdf.Root["/Extra"] = pdf.make_stream(b"x", F=String("other.bin"))


def smoothed_image(pdf):
    pdf.Root["/Extra"] = pdf.make_stream(b"x", Subtype=Name("/Image"), Interpolate=True)


def page(pdf):
    return pdf.pages[2].obj


def packed_otherwise(pdf):
    pdf.Root["/Extra"] = pdf.make_stream(b"78>", Filter=Name("/ASCIIHexDecode"))


def bomb(size_bytes: int) -> bytes:
    """So many zeros, packed into a thousandth."""
    packing = zlib.compressobj(9)
    pieces = [packing.compress(bytes(1024 * 1024)) for _ in range(size_bytes // (1024 * 1024) + 1)]
    return b"".join(pieces) + packing.flush()


BROKEN = {
    "bounded-streams": packed_otherwise,
    "no-actions": put("/Extra", lambda: Dictionary(S=Name("/Launch"), F=String("x"))),
    "nothing-at-opening": put("/OpenAction", lambda: Array([])),
    "no-scripts": put("/JavaScript", lambda: Dictionary(), lambda pdf: pdf.Root.Names),
    "no-form": put("/AcroForm", lambda: Dictionary(Fields=Array([]))),
    "only-links": put("/Subtype", lambda: Name("/Text"), link),
    "links-stay-inside": drop("/Dest", link),
    "links-are-described": drop("/Contents", link),
    "no-outside-streams": outside_stream,
    "has-language": drop("/Lang"),
    "is-marked": put("/MarkInfo", lambda: Dictionary(Marked=False)),
    "has-structure": drop("/StructTreeRoot"),
    "pages-have-structure": drop("/StructParents", page),
    "tabs-follow-structure": put("/Tabs", lambda: Name("/R"), page),
    "figures-are-described": drop("/Alt", lambda pdf: first(pdf, "/Figure")),
    "tables-have-heads": no_thead,
    "cells-name-their-heads": drop("/A", lambda pdf: first(pdf, "/TD")),
    "heads-have-a-scope": drop("/Scope", lambda pdf: first(pdf, "/TH").A),
    "lists-hold-items": put("/S", lambda: Name("/Div"), lambda pdf: first(pdf, "/LI")),
    "text-is-in-the-tree": lost_section,
    "has-bookmarks": drop("/Outlines"),
    "title-is-shown": drop("/ViewerPreferences"),
    "has-output-intent": drop("/OutputIntents"),
    "metadata-is-plain": drop("/Metadata"),
    "claims-archive": xmp(b'pdfaid:part="3"', b'pdfaid:part="2"'),
    "claims-access": xmp(b"<pdfuaid:part>1<", b"<pdfuaid:part>2<"),
    "titles-agree": xmp(b"Kubernetes Audit Evidence, October", b"Something else, October"),
    "fonts-are-embedded": no_font_file,
    "text-can-be-copied": no_map,
    "images-are-plain": smoothed_image,
    "pages-are-alike": put("/MediaBox", lambda: Array([0, 0, 300, 300]), page),
    "files-are-associated": drop("/AFRelationship", spec),
    "files-are-described": drop("/Desc", spec),
    "has-manifest": rewritten(MANIFEST_NAME, lambda _: b"{}"),
    "files-are-as-listed": rewritten("e01-activity-by-day.csv", lambda data: data.replace(b"1", b"2", 1)),
    "seal-is-in-the-metadata": xmp(b"<pdf:Keywords>sha256:", b"<pdf:Keywords>md5:"),
    "seal-is-on-the-cover": other_cover,
    "identifier-is-the-seal": put("/ID", lambda: Array([String("x"), String("y")]), lambda pdf: pdf.trailer),
}
OTHERWISE = {"sound-syntax", "not-encrypted", "written-once"}


def test_every_rule_has_a_file_that_breaks_it():
    assert BROKEN.keys() | OTHERWISE == {rule.__name__.replace("_", "-") for rule in check.RULES}


def item_outside_a_list(pdf):
    item = next(one for one in pdf.objects if isinstance(one, Dictionary) and one.get("/S") == "/Lbl").P
    item.P = pdf.Root.StructTreeRoot.K[0]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("lists-hold-items", put("/S", lambda: Name("/P"), lambda pdf: first(pdf, "/LBody"))),
        ("lists-hold-items", item_outside_a_list),
    ],
)
def test_a_rule_finds_the_other_ways_to_break_it(checked, quiet_pdf, rule, change):
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        change(pdf)
        pdf.save(written, **AS_IT_IS)
    assert rule in {one.kind for one in checked(written.getvalue()).findings}


def test_metadata_that_only_some_programs_could_find_is_found(checked, quiet_pdf):
    assert quiet_pdf.count(b"/Subtype /XML") == 1
    packed = quiet_pdf.replace(b"/Subtype /XML", b"/Filter []   ")  # of the same length: every offset stays right
    assert [(one.kind, one.found) for one in checked(packed).findings] == [("metadata-is-plain", "/Filter")]


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_finds_the_file_that_was_broken_for_it(checked, quiet_pdf, rule):
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        BROKEN[rule](pdf)
        pdf.save(written, **AS_IT_IS)
    assert rule in {one.kind for one in checked(written.getvalue()).findings}


def with_bomb(pdf_bytes: bytes, find) -> bytes:
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf_bytes)) as pdf:
        find(pdf).write(bomb(check_streams.LARGEST_STREAM_BYTES), filter=Name("/FlateDecode"))
        pdf.save(written, **AS_IT_IS)
    assert len(written.getvalue()) < 4_000_000
    return written.getvalue()


@pytest.mark.parametrize(
    "find",
    [
        lambda pdf: spec(pdf).EF.F,
        lambda pdf: pdf.pages[0].Contents,
        lambda pdf: next(one for one in pdf.objects if isinstance(one, Dictionary) and "/ToUnicode" in one).ToUnicode,
    ],
    ids=["attachment", "page", "font"],
)
def test_a_stream_that_unpacks_without_end_is_found_and_never_unpacked_whole(checked, quiet_pdf, find):
    data = with_bomb(quiet_pdf, find)
    tracemalloc.start()
    verdict = checked(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.kind for one in verdict.findings] == ["bounded-streams"]
    assert verdict.number == ""
    assert peak < check_streams.LARGEST_STREAM_BYTES / 2


def test_many_streams_are_counted_together(checked, quiet_pdf, monkeypatch):
    monkeypatch.setattr(check_streams, "LARGEST_TOGETHER_BYTES", 100_000)
    (found,) = checked(quiet_pdf).findings
    assert (found.kind, found.found.split()[0]) == ("bounded-streams", "more")


def test_what_needs_more_memory_or_time_than_any_report_is_an_error_and_harms_nobody(quiet_pdf, tmp_path, monkeypatch):
    path = tmp_path / "report.pdf"
    path.write_bytes(quiet_pdf)
    with pytest.raises(IntegrityError, match="cannot be checked: what reads it needed more than 0 seconds") as caught:
        check.check_report(path, limits=Limits(seconds=0.05))
    assert "another copy" in caught.value.hint
    monkeypatch.setattr(check, "PROGRAM", ("-c", "import os; os.abort()"))
    with pytest.raises(IntegrityError, match="SIGABRT, perhaps for want of memory"):
        check.check_report(path)


def test_the_verdict_is_the_same_from_the_child(quiet_pdf, busy_pdf, tmp_path):
    path = tmp_path / "report.pdf"
    broken = io.BytesIO()
    with pikepdf.open(io.BytesIO(busy_pdf)) as pdf:
        added_file(pdf)
        pdf.save(broken, fix_metadata_version=False)
    for data in (quiet_pdf, broken.getvalue()):
        path.write_bytes(data)
        assert check.check_report(path) == check.judged(path)


def test_a_file_that_was_added_is_found(checked, quiet_pdf):
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        added_file(pdf)
        pdf.save(written, fix_metadata_version=False)
    found = [one for one in checked(written.getvalue()).findings if one.kind == "files-are-as-listed"]
    assert [(one.where, one.expected) for one in found] == [("more.csv", "no such file")]


def test_a_manifest_that_was_made_to_fit_is_not_the_seal_on_the_cover(checked, quiet_pdf):
    def other(data):
        held = json.loads(data)
        held["report"]["number"] = "KD-0"
        return json.dumps(held).encode()

    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        rewritten(MANIFEST_NAME, other)(pdf)
        pdf.save(written, fix_metadata_version=False)
    kinds = {one.kind for one in checked(written.getvalue()).findings}
    assert {"seal-is-on-the-cover", "seal-is-in-the-metadata", "identifier-is-the-seal"} <= kinds


def test_what_was_appended_or_encrypted_or_damaged_is_found(checked, quiet_pdf):
    appended = quiet_pdf + b"\n" + quiet_pdf[quiet_pdf.rindex(b"startxref") :]
    assert "written-once" in {one.kind for one in checked(appended).findings}
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        pdf.save(written, encryption=pikepdf.Encryption(owner="x", user=""), fix_metadata_version=False)
    assert "not-encrypted" in {one.kind for one in checked(written.getvalue()).findings}
    at = quiet_pdf.index(b"stream\n") + 60
    damaged = quiet_pdf[:at] + bytes(byte ^ 0xFF for byte in quiet_pdf[at : at + 40]) + quiet_pdf[at + 40 :]
    assert "sound-syntax" in {one.kind for one in checked(damaged).findings}


def test_what_is_no_pdf_or_is_locked_or_gone_is_a_plain_error(checked, quiet_pdf, tmp_path):
    with pytest.raises(IntegrityError, match="cannot be opened"):
        checked(b"%PDF-1.7\nnothing")
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        pdf.save(written, encryption=pikepdf.Encryption(owner="x", user="y"))
    with pytest.raises(IntegrityError, match="cannot be opened"):
        checked(written.getvalue())
    with pytest.raises(StorageError):
        check.check_report(tmp_path / "none.pdf")
    assert not check.is_report(tmp_path / "none.pdf")


@pytest.fixture
def judge(monkeypatch):
    def call(answer: str):
        monkeypatch.setattr(verapdf.shutil, "which", lambda _: "/usr/bin/verapdf")
        done = subprocess.CompletedProcess([], 0, answer.encode(), b"")
        monkeypatch.setattr(verapdf.subprocess, "run", lambda *_, **__: done)

    return call


def test_the_second_judge_is_asked_for_both_profiles_and_must_have_looked(judge, tmp_path):
    judge(PASSED.format(0))
    assert [(one.profile, one.passed, one.failed) for one in verapdf.judge(tmp_path)] == [
        ("PDF/A-3a", 7, 0),
        ("PDF/UA-1", 7, 0),
    ]
    for answer in ("", "<details>", '<details passedChecks="0" failedChecks="0">'):
        judge(answer)
        with pytest.raises(KubedossierError, match="made no check"):
            verapdf.judge(tmp_path)


@pytest.fixture
def run(monkeypatch, capfdbinary, tmp_path):
    def call(data: bytes, *arguments: str) -> tuple[int, str, str]:
        path = tmp_path / "report.pdf"
        path.write_bytes(data)
        monkeypatch.setattr("sys.argv", ["kubedossier", "verify", str(path), *arguments])
        code = diagnostics.run(cli)
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return call


def test_verify_says_what_it_checked_and_that_no_second_judge_did(run, quiet_pdf, quiet_report, monkeypatch):
    monkeypatch.setattr(verapdf.shutil, "which", lambda _: None)
    cover = quiet_report.cover
    code, out, err = run(quiet_pdf, "--head", f"{cover.as_of_seq}:{cover.as_of_hash[:12]}")
    assert code == 0
    assert f"rules hold for report {cover.number}" in out
    assert f"Seal {cover.seal}" in out
    assert "veraPDF" not in out
    assert "veraPDF is not on the PATH" in err
    assert run(quiet_pdf, "--head", "99:00000000")[0] == 5
    assert run(quiet_pdf, "--deep")[0] == 2


def test_verify_of_a_changed_report_ends_with_5_and_says_what_was_found(run, quiet_pdf):
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        BROKEN["files-are-as-listed"](pdf)
        pdf.save(written, fix_metadata_version=False)
    code, out, err = run(written.getvalue())
    assert code == 5
    assert "files-are-as-listed  e01-activity-by-day.csv" in out
    assert "not what it says" in err


def test_what_the_second_judge_rejects_is_not_accepted(run, judge, quiet_pdf):
    judge(PASSED.format(3))
    code, out, _ = run(quiet_pdf)
    assert code == 5
    assert "7 checks passed, 3 failed" in out
