"""``report`` as a user meets it: where the file lies, what is printed, and that a failure leaves nothing."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.cli import cli, diagnostics

EVENT = {
    "time": "2026-10-05T10:00:00.000Z",
    "verb": "create",
    "user": {"username": "anna@example.com"},
    "resources": "pods/exec",
    "requestURI": "/api/v1/namespaces/shop/pods/web-0/exec",
    "attackTechniques": ["execIntoContainer"],
    "cluster": "prod",
    "provider": "aws",
    "accountID": "1",
}


@pytest.fixture
def archive(archive_path: Path) -> Path:
    with Intake(archive_path, kind="import") as intake:
        intake.add([Record(json.dumps(EVENT).encode(), "console-json")])
        intake.commit({})
    return archive_path


@pytest.fixture
def run(monkeypatch, capfdbinary):
    def call(*arguments: str) -> tuple[int, bytes, str]:
        monkeypatch.setattr("sys.argv", ["kubedossier", *arguments])
        code = diagnostics.run(cli)
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return call


def test_the_file_lies_in_the_archive_and_its_path_is_printed(archive, run):
    code, out, err = run("--archive", str(archive), "report", "--period", "2026-10")
    path = archive / "reports" / "2026-10" / "monthly-2026-10.pdf"
    assert (code, out.decode().strip()) == (0, str(path))
    assert path.read_bytes().startswith(b"%PDF-1.7")
    assert "1 events" not in err
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_json_goes_to_stdout_and_holds_the_same_numbers(archive, run):
    code, out, _ = run("--archive", str(archive), "report", "--period", "2026-10", "-f", "json", "-o", "-")
    report = json.loads(out)
    assert code == 0
    assert report["cover"]["events"] == 1
    assert report["cover"]["number"] == "KD-2026-10-0002"
    assert {one["rule"] for one in report["findings"]} >= {"completeness", "accounting", "interactive-access"}
    assert report["manifest"]["report"]["period"]["label"] == "2026-10"


def test_issued_and_classification_are_printed_as_given(archive, run):
    arguments = (
        "--issued",
        "2026-11-01",
        "--classification",
        "Secret",
        "--organisation",
        "Acme",
        "-f",
        "json",
        "-o",
        "-",
    )
    _, out, _ = run("--archive", str(archive), "report", "--period", "2026-10", *arguments)
    cover = json.loads(out)["cover"]
    assert (cover["issued"], cover["classification"], cover["organisation"]) == (
        "2026-11-01T00:00:00Z", "Secret", "Acme",
    )  # fmt: skip


def test_the_default_period_is_last_month(archive, run):
    before = datetime.now(UTC)
    _, out, _ = run("--archive", str(archive), "report", "-f", "json", "-o", "-")
    months = [now.year * 12 + now.month - 2 for now in (before, datetime.now(UTC))]
    labels = {f"{month // 12}-{month % 12 + 1:02d}" for month in months}  # two where a month ends meanwhile
    assert json.loads(out)["cover"]["period_label"] in labels


def test_a_failing_render_leaves_no_file(archive, run, monkeypatch, tmp_path):
    from kubedossier.analytics.errors import KubedossierError

    def fail(*_, **__):
        raise KubedossierError("The report was not made", hint="Try again.")

    monkeypatch.setattr("kubedossier.reports.press.pdf_bytes", fail)
    code, out, err = run("--archive", str(archive), "report", "--period", "2026-10", "-o", str(tmp_path / "out.pdf"))
    assert (code, out) == (1, b"")
    assert "Try again." in err
    assert not (tmp_path / "out.pdf").exists()
    assert not (archive / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--period", "2026-13"), 2, "is not a period"),
        (("--issued", "yesterday"), 2, "is not a date"),
        (("--as-of", "99"), 7, "has no entry 99"),
        (("quarterly",), 2, "No [report.quarterly]"),
        (("-f", "docx"), 2, "There are pdf, html, json."),
        (("-f", "pdf,html", "-o", "-"), 2, "standard output takes one format"),
        (("-f", "pdf", "-f", "html", "-o", "one.pdf"), 2, "is no folder"),
        (("../monthly",), 2, "cannot be the name"),
    ],
)
def test_mistakes_are_told(archive, run, arguments, code, words):
    found, out, err = run("--archive", str(archive), "report", *arguments)
    assert (found, out) == (code, b"")
    assert words in err


def test_no_archive_is_told(run, tmp_path):
    code, _, err = run("--archive", str(tmp_path / "none"), "report", "--period", "2026-10")
    assert code == 7
    assert "There is no archive" in err


def test_the_configuration_says_what_the_command_line_does_not(archive, run, tmp_path):
    config = tmp_path / "kubedossier.toml"
    config.write_text(
        f'archive = "{archive}"\n[report.board]\norganisation = "From the file"\nperiod = "2026-10"\n', "utf-8"
    )
    code, out, _ = run("--config", str(config), "report", "board", "-f", "json", "-o", "-")
    cover = json.loads(out)["cover"]
    assert (code, cover["organisation"], cover["kind"]) == (0, "From the file", "Board report")


def test_the_configuration_says_what_the_options_do_not(archive, run, tmp_path):
    config = tmp_path / "kubedossier.toml"
    config.write_text(
        '[report.board]\ntitle = "Board Evidence"\norganisation = "Example Ltd"\nframeworks = ["soc2"]\n'
        'classification = "Confidential"\naudience = "The board"\nprepared_by = "Anna"\nreviewer = "Bert"\n'
        'period = "2026-10"\n'
    )
    code, out, _ = run(
        *("--config", str(config), "--archive", str(archive), "report", "board", "-f", "json", "-o", "-"),
        *("--framework", "pci-dss,dora", "--classification", "Internal"),
    )
    report = json.loads(out)
    assert code == 0
    cover = report["cover"]
    assert (cover["title"], cover["organisation"], cover["audience"]) == ("Board Evidence", "Example Ltd", "The board")
    assert (cover["classification"], report["prepared_by"], report["reviewer"]) == ("Internal", "Anna", "Bert")
    assert [one["id"] for one in report["mappings"]] == ["pci-dss", "dora"]


def test_a_title_that_would_fill_the_cover_is_refused(archive, run, tmp_path):
    config = tmp_path / "kubedossier.toml"
    config.write_text(f'[report.board]\ntitle = "{"T" * 81}"\nperiod = "2026-10"\n')
    code, _, err = run("--config", str(config), "--archive", str(archive), "report", "board")
    assert code == 2
    assert "longer than 80" in err


def test_several_formats_lie_in_one_folder_and_have_one_seal(archive, run, tmp_path):
    arguments = ("--archive", str(archive), "report", "--period", "2026-10", "-f", "html,json", "-f", "json")
    code, out, err = run(*arguments, "-o", str(tmp_path))
    paths = [tmp_path / "monthly-2026-10.html", tmp_path / "monthly-2026-10.json"]
    assert (code, out.decode().split("\n")[:-1]) == (0, [str(one) for one in paths])
    seal = json.loads(paths[1].read_bytes())["cover"]["seal"]
    assert f"sha256:{seal}" in paths[0].read_text("utf-8")
    assert err.count("October 2026") == 1


def test_a_page_is_not_verified_and_one_is_told_what_is(archive, run, tmp_path):
    run("--archive", str(archive), "report", "--period", "2026-10", "-f", "html", "-o", str(tmp_path / "page.html"))
    code, _, err = run("verify", str(tmp_path / "page.html"))
    assert code == 2
    assert "Verify the PDF" in err


def test_the_configuration_names_the_formats(archive, run, tmp_path):
    config = tmp_path / "kubedossier.toml"
    config.write_text('[report.board]\nformats = ["html"]\nperiod = "2026-10"\n')
    code, out, _ = run("--config", str(config), "--archive", str(archive), "report", "board")
    assert (code, Path(out.decode().strip()).name) == (0, "board-2026-10.html")


def test_a_report_that_fails_in_one_format_appears_in_none(archive, run, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr("kubedossier.reports.web.html_bytes", fail)
    code, out, _ = run("--archive", str(archive), "report", "--period", "2026-10", "-f", "json,html")
    assert (code, out) == (1, b"")
    assert not (archive / "reports").exists()


@pytest.mark.parametrize("option", [("--framework", "soc3"), ("--logo", "none.png")])
def test_a_wrong_framework_or_logo_is_a_usage_error_and_makes_nothing(archive, run, option):
    code, _, err = run("--archive", str(archive), "report", "--period", "2026-10", *option)
    assert code == 2
    assert option[1] in err
    assert not (archive / "reports").exists()


@pytest.mark.parametrize("issued", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "yesterday"])
def test_a_date_of_issue_that_is_none_is_a_usage_error(archive, run, issued):
    code, out, err = run("--archive", str(archive), "report", "--period", "2026-10", "--issued", issued)
    assert (code, out) == (2, b"")
    assert "is not a date" in err


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".html"])
def test_a_name_that_is_too_long_to_be_one_is_told_by_verify(archive, run, name):
    code, _, err = run("--archive", str(archive), "verify", name)
    assert code == 7
    assert "File name too long" in err


def test_verify_does_not_wait_for_a_pipe(archive, run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code, _, err = run("--archive", str(archive), "verify", str(tmp_path / "pipe"))
    assert code == 7
    assert "There is no archive" in err
