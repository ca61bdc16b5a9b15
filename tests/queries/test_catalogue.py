"""Every query file: its header holds, it gives what it declares, and its answer depends on nothing but the data."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pyarrow as pa
import pytest

from kubedossier.analytics import catalogue
from kubedossier.analytics.answers import Answer
from kubedossier.analytics.archive import Archive
from kubedossier.analytics.catalogue_pages import described, page
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.views import Scope
from kubedossier.cli.formats import Rows, write

GOLDEN = Path(__file__).with_name("golden")
NAMES = list(catalogue.packaged())
REQUIRED = {
    "user_timeline": {"user": "carol"},
    "dormant_users": {"days": 7},
    "bursts": {"hours": 2, "events": 1, "score": 0.0},
    "scanning": {"events": 1},
    "secret_access": {"helm": True},
}
ARROW = {
    "varchar": pa.string(),
    "varchar[]": pa.list_(pa.field("l", pa.string())),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


def ask(archive: Archive, name: str, **asked: object) -> Answer:
    return archive.answer(name, **{"limit": 0} | REQUIRED.get(name, {}) | asked)


def as_csv(answer: Answer) -> str:
    buffer = io.BytesIO()
    write(Rows(answer.fetched, answer.columns), "csv", buffer)
    return buffer.getvalue().decode()


def holds_golden(text: str, name: str) -> bool:
    """Whether the text is the golden file's; GOLDEN=write makes the file anew, to be read before it is committed."""
    path = GOLDEN / f"{name}.csv"
    if os.environ.get("GOLDEN") == "write":
        path.write_bytes(text.encode())
    return path.read_bytes().decode() == text


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_the_golden_one(hard, name):
    assert holds_golden(as_csv(ask(hard, name, period="2026-10")), name)


@pytest.mark.parametrize("name", ["top_users", "privileged_actions", "activity_by_day", "coverage"])
@pytest.mark.parametrize("source", ["raw", "all"])
def test_the_answer_over_other_sources_is_the_golden_one(hard, name, source):
    assert holds_golden(as_csv(ask(hard, name, period="2026-10", source=source)), f"{name}-{source}")


def test_there_is_no_golden_file_without_a_query():
    known = set(NAMES)
    assert {path.stem.split("-")[0] for path in GOLDEN.iterdir()} == known


@pytest.mark.parametrize("name", NAMES)
def test_the_columns_are_the_declared_ones(hard, name):
    answer = ask(hard, name, period="2026-10")
    assert answer.table.column_names == [one.name for one in answer.columns]
    assert answer.table.schema.types == [ARROW[one.type] for one in answer.columns]


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_archive_has_an_answer_of_the_same_columns(hard, empty, name):
    for period in (None, "2026-10"):
        answer = ask(empty, name, period=period)
        assert answer.table.schema == ask(hard, name, period="2026-10").table.schema


@pytest.mark.parametrize("name", NAMES)
def test_the_order_is_total(hard, backwards_root, name):
    backwards = Archive(backwards_root)
    for source in ("native", "all"):
        first = ask(hard, name, period="2026-10", source=source)
        assert as_csv(first) == as_csv(ask(backwards, name, period="2026-10", source=source))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lean", [False, True])
def test_rows_without_arrow_are_the_same_rows(hard, name, lean):
    query = catalogue.packaged()[name]
    answer = hard.ask(query, limit=0, lean=lean, period="2026-10", **REQUIRED.get(name, {}))
    whole = ask(hard, name, period="2026-10")
    assert (answer.digest, answer.frame.rows()) == (whole.digest, whole.frame.rows())


@pytest.mark.parametrize("name", NAMES)
def test_reading_all_files_changes_nothing(hard, name):
    answer = ask(hard, name, period="2026-10")
    everything = hard._engine.run(answer.sql, answer.parameters, Scope(source="native"))
    assert list(everything.table(answer.columns).to_pylist()) == _without_zone(answer)


def _without_zone(answer: Answer) -> list[dict[str, object]]:
    return answer.fetched.table(answer.columns).to_pylist()


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_lower_case_and_gives_a_total_order(name):
    query = catalogue.packaged()[name]
    plain = catalogue.bare(query.sql)
    assert plain == plain.lower()
    assert re.search(r"\border by\b[^()]*(\blimit \$limit\s*)?$", plain)
    assert len(query.question) > 20
    assert query.question.endswith("?")
    assert len(query.notes) > 40


@pytest.mark.parametrize("name", NAMES)
def test_the_description_fits_eighty_columns(name):
    assert [line for line in described(catalogue.packaged()[name]).splitlines() if len(line) > 120] == []
    prose = described(catalogue.packaged()[name]).replace(catalogue.packaged()[name].sql, "")
    assert [line for line in prose.splitlines() if len(line) > 80] == []


def test_the_page_is_made_from_the_files(checkout):
    assert (checkout / "queries" / "README.md").read_text(encoding="utf-8") == page(catalogue.packaged().values())


@pytest.mark.parametrize("name", NAMES)
def test_a_period_without_any_file_has_an_answer(hard, name):
    period = parse_period("2031-02", now=hard.period().start)
    assert ask(hard, name, period=period).table.column_names == [c.name for c in catalogue.packaged()[name].columns]


TRACED = [name for name in NAMES if catalogue.packaged()[name].trend]


@pytest.mark.parametrize("source", ["native", "raw", "all"])
@pytest.mark.parametrize("name", TRACED)
def test_the_days_of_a_trend_add_up_to_the_rows_events(hard, name, source):
    query = catalogue.packaged()[name]
    for asked in ({"period": "2026-10"}, {}, {"period": "2026-10", "clusters": ["edge-1", "prod-eu"]}):
        answer = ask(hard, name, source=source, **asked)
        trends = hard.trends(query, answer)
        place = answer.fetched.names.index("events")
        assert [sum(days) for days in trends] == [row[place] for row in answer.fetched.values()]
        assert {len(days) for days in trends} <= {answer.period.days}


def test_rankings_have_trends_and_nothing_without_events_has():
    assert {"top_users", "cluster_ranking", "provider_ranking", "account_ranking", "namespaces"} <= set(TRACED)
    assert len(TRACED) >= 10


def test_there_is_no_trend_of_nothing(hard, empty):
    query = catalogue.packaged()["top_users"]
    assert hard.trends(query, ask(hard, "top_users", period="2031")) == []
    assert empty.trends(query, ask(empty, "top_users")) == []
    other = catalogue.packaged()["coverage"]
    assert hard.trends(other, ask(hard, "coverage", period="2026-10")) == []
