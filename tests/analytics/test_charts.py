"""Charts for notebooks: the same rows as the report's figures, the same colours, and words for who cannot see them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hard_archive import fill

from kubedossier.analytics import palette
from kubedossier.analytics.archive import Archive
from kubedossier.analytics.charts import chart, rows_of
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.figures import MAKERS, Figure
from kubedossier.reports import build
from kubedossier.reports.charts import svg
from kubedossier.reports.model import Request


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return Archive(fill(tmp_path_factory.mktemp("charts") / "dossier"))


def figures_of(value: Any, found: dict[str, Figure]) -> dict[str, Figure]:
    """Every figure anywhere in the report's model, by id."""
    if isinstance(value, Figure):
        found[value.id] = value
    elif isinstance(value, tuple | list):
        for one in value:
            figures_of(one, found)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            figures_of(getattr(value, name), found)
    return found


@pytest.fixture(scope="module")
def printed(archive) -> dict[str, Figure]:
    """The figures of the monthly report of October 2026."""
    return figures_of(build.build(archive, archive.period("2026-10"), Request()), {})


def rows_in(spec: dict[str, Any]) -> list[dict[str, object]]:
    """The rows of a chart; all of its layers share one set."""
    if "datasets" in spec:
        (rows,) = spec["datasets"].values()
        return rows
    return spec["data"]["values"]


@pytest.mark.parametrize("name", MAKERS)
def test_the_chart_holds_the_rows_of_the_figure_in_the_report(archive, printed, name):
    figure = printed[name]
    assert figure.rows
    spec = archive.figure(name, period="2026-10").to_dict()
    assert rows_in(spec) == json.loads(json.dumps(rows_of(figure)))
    assert [tuple(row.values()) for row in rows_of(figure)] == [
        tuple(one.isoformat() if isinstance(one, date) else one for one in row) for row in figure.rows
    ]
    assert spec["description"] == figure.alt
    assert spec["title"] == figure.title


@pytest.mark.parametrize("name", MAKERS)
def test_page_and_chart_have_colours_of_one_palette(archive, printed, name):
    page, spec = str(svg(printed[name])), json.dumps(archive.figure(name, period="2026-10").to_dict())
    known = {one for one in vars(palette).values() if isinstance(one, str)} | {*palette.RAMP}
    used = set(re.findall("#[0-9A-F]{6}", spec))
    assert used & set(re.findall("#[0-9A-F]{6}", page))
    assert used <= known
    states = {palette.STATE_COLOURS[row[-1]] for row in printed[name].rows if "state" in printed[name].columns}
    assert states <= used


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("period", ["2026-10", "2026", "2031-02"])
def test_a_chart_is_drawn_for_any_period(archive, name, period):
    convert = pytest.importorskip("vl_convert")
    drawn = convert.vegalite_to_svg(archive.figure(name, period=period).to_json())
    assert drawn.startswith("<svg")


def test_what_narrows_a_question_narrows_its_figure(archive):
    spec = archive.figure("activity_by_day", period="2026-10", users=["carol"]).to_dict()
    assert sum(row["events"] for row in rows_in(spec)) == 5


def test_a_name_cannot_leave_the_script_a_notebook_puts_it_into():
    evil = "</script><script>alert(1)</script>\u202e"
    figure = Figure(
        id="x", kind="panels", title="t", alt="a", unit="events per day", query="q", step="day",
        columns=("date", "technique", "events"), rows=((date(2026, 10, 1), evil, 1),),
    )  # fmt: skip
    text = chart(figure).to_json()
    assert "alert(1)" in text
    assert not set(text) & set("<>\u202e")


def test_an_unknown_figure_is_an_error_that_names_the_known_ones(archive):
    with pytest.raises(UsageError, match="no figure 'pie'") as caught:
        archive.figure("pie")
    assert "techniques_by_day" in caught.value.hint


def test_without_altair_the_error_says_what_to_install(archive, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(UsageError) as caught:
        archive.figure("activity_by_day", period="2026-10")
    assert "kubedossier[notebook]" in caught.value.hint


def test_altair_is_not_loaded_by_an_archive():
    code = "import sys; from kubedossier.analytics import Archive; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parent).returncode == 0
