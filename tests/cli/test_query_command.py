"""``kubedossier query``: data on stdout, narration on stderr, and nothing in either that fools a reader."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import hard_archive
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from kubedossier.analytics import Archive
from kubedossier.analytics.catalogue import packaged
from kubedossier.analytics.errors import UsageError
from kubedossier.cli import cli
from kubedossier.cli.formats import FORMATS, safe_cell
from kubedossier.cli.output import may_colour
from kubedossier.cli.sparklines import Trend, days_a_cell, spark
from kubedossier.cli.tables import Heading, cells, draw, markdown, shorten, shown_value


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return hard_archive.fill(tmp_path_factory.mktemp("query") / "dossier")


@pytest.fixture
def query(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")

    def ask(*arguments: str, **kwargs: object) -> Result:
        result = CliRunner().invoke(cli, ["--archive", str(root), "query", *arguments], **kwargs)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return ask


def test_the_list_names_every_question_within_the_terminal(query):
    text = query("--list").stdout
    assert [line.split(" ")[0] for line in text.splitlines() if line[0] != " "] == list(packaged())
    assert max(map(len, text.splitlines())) < 80


def test_the_description_says_what_is_taken_given_and_missed_and_shows_the_sql(query):
    text = query("top_users", "--describe").stdout
    assert "limit bigint = 20" in text
    assert "period_start" not in text.split("with counted")[0]
    assert packaged()["top_users"].sql in text


def test_the_table_fits_and_says_what_it_is_about_on_stderr(query):
    result = query("top_users", "--period", "2026-10")
    lines = result.stdout.splitlines()
    assert max(cells(line) for line in lines) <= 80
    assert lines[0].split() == ["rank", "user", "user_kind", "events", "share", "change", "trend"]
    assert set(lines[1]) == {"─", " "}
    assert "\x1b" not in result.stdout
    assert "Top users, October 2026 (UTC), Console records; there are others: --source all." in result.stderr
    assert "Too wide for this terminal: previous_events, clusters, first_time, last_time." in result.stderr
    assert "Trend: events by day, each row on its own scale; one sign is 3 days." in result.stderr


def test_untrusted_text_is_shown_harmlessly(query):
    for form in ("table", "markdown"):
        text = query("top_users", "--period", "2026-10", "-f", form, "--limit", "0").stdout
        assert "\u202e" not in text
        assert "\t" not in text
    assert "U+202E" in text


def test_what_was_not_counted_is_said(query):
    assert "2 records without a usable time belong to no period" in query("top_users").stderr


def test_empty_columns_are_left_out_and_named(query):
    result = query("privileged_actions", "--period", "2026-10", "--user", "alice@example.com")
    assert "impersonated_user" not in result.stdout
    assert "Columns without any value: impersonated_user." in result.stderr


def test_no_rows_is_said(query):
    result = query("top_users", "--period", "2031")
    assert result.stdout.splitlines()[0].startswith("rank  user")
    assert "No rows." in result.stderr


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_json_is_the_answer_with_its_types(query, root, form):
    text = query("privileged_actions", "--period", "2026-10", "-f", form).stdout
    rows = json.loads(text) if form == "json" else [json.loads(line) for line in text.splitlines()]
    frame = Archive(root).query("privileged_actions", period="2026-10")
    assert [row["event_id"] for row in rows] == frame["event_id"].to_list()
    assert [row["techniques"] for row in rows] == frame["techniques"].to_list()
    assert rows[0]["time"] == "2026-10-01T00:00:00.000000Z"
    assert rows[0]["status_code"] == 101


def test_json_of_no_rows_is_an_empty_array(query):
    assert json.loads(query("top_users", "--period", "2031", "-f", "json").stdout) == []
    assert query("top_users", "--period", "2031", "-f", "ndjson").stdout == ""


def test_csv_is_safe_for_spreadsheets_and_leaves_numbers_alone(query):
    text = query("top_users", "--period", "2026-10", "--limit", "0", "-f", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    users = [row["user"] for row in rows]
    assert "'=cmd|'/c calc'!A1" in users
    assert "'\tuser\u202egnp.exe\n" in users
    assert 'O\'Brien "the, admin"; drop table events --' in users
    assert not any(value.startswith(tuple("=+-@\t\r")) for row in rows for value in row.values())
    change = query("top_users", "--period", "2026-11", "-f", "csv").stdout.splitlines()[1].split(",")[6]
    assert change == "-0.5"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("\ta", "'\ta"),
        ("\ra", "'\ra"),
        ("a=1", "a=1"),
        (-1, "-1"),
        (-0.5, "-0.5"),
        (None, ""),
        (True, "true"),
        (["=1"], '["=1"]'),
        (date(2026, 10, 1), "2026-10-01"),
        (datetime(2026, 10, 1, tzinfo=UTC), "2026-10-01T00:00:00.000000Z"),
        (b"\x0a\xff", "0aff"),
    ],
)
def test_a_csv_cell(value, cell):
    assert safe_cell(value) == cell


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_the_name_of_a_column_is_harmless(query, form):
    result = query("--sql", 'select 1 as "a\x1b[31m\u202e", null as "\x1b]0;b"', "-f", form)
    assert result.exit_code == 0
    assert "[U+001B]" in result.stdout.replace("\\", "")
    assert not {"\x1b", "\u202e"} & set(result.output)


@pytest.mark.parametrize(
    "asked",
    [
        ("top_users", "--limit", str(2**63)),
        ("top_users", "--from", "9999-12-31T23:59:59-23:59"),
        ("--sql", "select 1", "--from", "0001-01-01T00:00:00+23:59"),
    ],
)
def test_a_number_or_a_moment_out_of_all_range_is_a_usage_error(query, asked):
    with pytest.raises(UsageError):
        query(*asked)


def test_a_limit_that_is_larger_than_any_answer_is_all_of_it(query):
    assert query("--sql", "select 1 as one", "--limit", str(2**63 - 1), "-f", "json").stdout.split() == [
        "[",
        '{"one":1}',
        "]",
    ]


def test_a_file_has_the_format_of_its_suffix_and_is_whole(query, root, tmp_path):
    path = tmp_path / "users.parquet"
    result = query("top_users", "--period", "2026-10", "-o", str(path))
    assert result.stdout == ""
    assert "rows in" in result.stderr
    assert pq.read_table(path).equals(Archive(root).answer("top_users", period="2026-10").table)
    assert [one.name for one in tmp_path.iterdir()] == ["users.parquet"]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_writes_files_and_stdout_alike(query, tmp_path, form):
    path = tmp_path / "out"
    query("cluster_ranking", "--period", "2026-10", "-f", form, "-o", str(path))
    assert query("cluster_ranking", "--period", "2026-10", "-f", form).stdout_bytes == path.read_bytes()


def test_filters_are_repeatable_and_must_all_hold(query):
    text = query("top_users", "--cluster", "edge-1", "--cluster", "prod-eu", "--user", "carol", "-f", "csv").stdout
    assert [line.split(",")[1] for line in text.splitlines()[1:]] == ["carol"]
    assert text.splitlines()[1].split(",")[3] == "5"


def test_from_and_to_are_half_open(query):
    text = query("activity_by_day", "--from", "2026-10-01", "--to", "2026-10-03", "-f", "csv").stdout
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == ["2026-10-01", "2026-10-02"]


def test_sql_of_ones_own_sees_filters_period_parameters_and_limit(query):
    sql = 'select "user", $n as n, $t as t from events order by time'
    arguments = ["--period", "2026-10", "--provider", "gcp", "--limit", "2", "-p", "n=3", "-p", "t=x", "-f", "csv"]
    assert query("--sql", sql, *arguments).stdout == "user,n,t\nalice@example.com,3,x\nalice@example.com,3,x\n"
    assert query("--sql", "-", *arguments, input=sql).stdout.count("\n") == 3


def test_a_users_folder_adds_questions(root, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    header = "-- title: Mine\n-- question: How many?\n-- parameters:\n--   least bigint: at least\n-- columns:\n"
    body = "--   n bigint [events]: so many\n-- order: n\n-- reads: period\n-- notes: none\n"
    (tmp_path / "mine" / "mine.sql").write_text(f"{header}{body}select count(*) as n from events where 1 < $least\n")
    (tmp_path / "kubedossier.toml").write_text('queries = "mine"\n')
    monkeypatch.chdir(tmp_path)

    def ask(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--archive", str(root), "query", *arguments], catch_exceptions=False)

    assert ask("mine", "-p", "least=2", "-f", "csv").stdout == "n\n30\n"
    assert [line.split()[0] for line in ask("--list").stdout.splitlines() if line[0] != " "] == [*packaged(), "mine"]
    assert "How many? (your own)" in ask("--list").stdout
    described = ask("mine", "--describe")
    assert "least bigint" in described.stdout
    assert "mine/mine.sql" in described.stderr
    with pytest.raises(UsageError, match="needs 'least': at least"):
        ask("mine")
    with pytest.raises(UsageError, match="'two' is not a bigint"):
        ask("mine", "-p", "least=two")
    (tmp_path / "mine" / "mine.sql").rename(tmp_path / "mine" / "top_users.sql")
    with pytest.raises(UsageError, match=r"mine/top_users\.sql, line 1: there is a built-in query of that name"):
        ask("--list")


def test_a_users_own_question_may_have_a_trend_and_that_sees_no_more_than_it(root, tmp_path, monkeypatch):
    header = "-- title: Mine\n-- question: Which?\n-- columns:\n--   cluster varchar: name\n"
    header += "--   events bigint [events]: so many\n-- order: cluster\n-- reads: period\n-- notes: none\n"
    select = "select cluster, count(*) as events from events group by cluster order by cluster nulls last\n"
    (tmp_path / "mine.sql").write_text(f"{header}-- trend: cluster\n{select}")
    (tmp_path / "kubedossier.toml").write_text('queries = "."\n')
    monkeypatch.chdir(tmp_path)
    arguments = ["--archive", str(root), "query", "mine", "--period", "2026-10"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.stdout.splitlines()[0].split() == ["cluster", "events", "trend"]
    assert "█" in result.stdout
    (tmp_path / "mine.sql").write_text(f"{header}-- trend: cluster = read_text('/etc/hostname')\n{select}")
    with pytest.raises(UsageError, match=r"mine\.sql"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give the NAME"),
        (["top_users", "--list"], "Give the NAME"),
        (["top_users", "--sql", "select 1"], "Give the NAME"),
        (["top_usres"], "did you mean 'top_users'?"),
        (["top_users", "-p", "limit"], "not NAME=VALUE"),
        (["top_users", "-p", "limit=3"], "option of its own"),
        (["top_users", "-p", "nothing=3"], "no parameter 'nothing'"),
        (["top_users", "--period", "soon"], "not a period"),
        (["--sql", "copy (select 1) to 'x'"], "not one single select"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(query, arguments, said):
    with pytest.raises(UsageError) as caught:
        query(*arguments)
    assert said in caught.value.message


TEXTS = st.one_of(st.none(), st.text(max_size=60), st.integers(), st.lists(st.text(max_size=5), max_size=3))


def test_line_ends_inside_a_cell_stay_inside_it(query):
    sql = "select 'a' || chr(13) || 'b' || chr(10) || 'c' as x, 1 as y"
    text = query("--sql", sql, "-f", "csv").stdout_bytes.decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["x", "y"], ["a\rb\nc", "1"]]


@given(st.lists(st.tuples(TEXTS, TEXTS, st.integers()), max_size=6), st.integers(40, 120))
def test_a_table_never_exceeds_its_width_unless_numbers_need_it(rows, width):
    headings = [Heading("first"), Heading("second"), Heading("n")]
    table = draw(headings, [(str(a) if isinstance(a, int) else a, b, n % 1000) for a, b, n in rows], width)
    widest = max(cells(line) for line in table.lines)
    numbers = max([len(f"{b:,}") for _, b, _ in rows if isinstance(b, int)], default=0)
    assert widest <= max(width, 20 + 2 + numbers)
    assert table.hidden == tuple(one.name for one in headings if one.name in table.hidden)
    assert len(table.lines) == len(rows) + 2
    assert all(line.isprintable() for line in table.lines)


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_shortened_text_fits_and_keeps_its_ends(text, width):
    short = shorten(text, width)
    assert cells(short) <= width
    if cells(text) <= width:
        assert short == text
    elif width > 2:
        head, _, tail = short.partition("…") if "…" not in text else (short, "", "")
        assert text.startswith(head) or "…" in text
        assert text.endswith(tail) or "…" in text


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "", "–"),
        (1234567, "events", "1,234,567"),
        (403, "HTTP", "403"),
        (0.12345, "0..1", "12.3%"),
        (0.5, "ratio", "+50.0%"),
        (-0.5, "ratio", "-50.0%"),
        (1.5, "", "1.5"),
        (1234.5678, "score", "1,234.57"),
        (True, "", "yes"),
        ([], "", "–"),
        (["a", "b\n"], "", "a, b[U+000A]"),
        (datetime(2026, 10, 1, 12, tzinfo=UTC), "", "2026-10-01 12:00:00"),
        (date(2026, 10, 1), "", "2026-10-01"),
    ],
)
def test_a_value_as_people_read_it(value, unit, shown):
    assert shown_value(value, unit) == shown


def test_markdown_cannot_be_broken_out_of():
    lines = markdown([Heading("a_b"), Heading("n", "events")], [("x | y\n`z` <b>", 1000)])
    assert lines[:2] == ["| a\\_b | n |", "| --- | ---: |"]
    assert lines[2] == "| x \\| y\\[U+000A\\]\\`z\\` \\<b\\> | 1,000 |"


def test_colours_set_apart_heads_rule_and_trends_only():
    table = draw([Heading("a"), Heading("trend")], [("x", Trend((0, 1, 2)))], 80, colour=True)
    assert "\x1b[1m" in table.lines[0]
    assert table.lines[2] == "x  \x1b[34m·▄█\x1b[0m"


def test_columns_to_spare_go_first_then_the_trend_then_the_last():
    headings = [Heading("first"), Heading("second", spare=2), Heading("third"), Heading("fourth", spare=1)]
    row = ("a" * 10, "b" * 10, "c" * 10, "d" * 10, Trend((1,) * 10))
    hidden = [draw([*headings, Heading("trend")], [row], width).hidden for width in (58, 57, 45, 33, 21)]
    assert hidden == [
        (),
        ("fourth",),
        ("second", "fourth"),
        ("second", "fourth", "trend"),
        ("second", "third", "fourth", "trend"),
    ]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=400), st.integers(1, 60))
def test_a_trend_fits_and_tells_nothing_from_little(days, width):
    line = spark(days, width)
    size = days_a_cell(len(days), width)
    assert len(line) <= width
    assert set(line) <= set("·▁▂▃▄▅▆▇█")
    parts = [days[at : at + size] for at in range(0, len(days), size)]
    assert [sign == "·" for sign in line] == [not any(part) for part in parts]
    assert ("█" in line) == any(days)


def test_a_trend_is_for_people_and_not_for_programs(query):
    for form in ("csv", "json", "markdown"):
        assert "trend" not in query("top_users", "--period", "2026-10", "-f", form).stdout


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), (None, None)])
def test_a_terminal_has_colours_unless_they_are_not_wanted(query, monkeypatch, variable, value):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if variable:
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert may_colour() == (variable is None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert not may_colour()


def test_a_question_on_the_terminal_loads_no_more_than_it_needs(root):
    code = (
        "import sys\n"
        "from kubedossier.__main__ import main\n"
        f"sys.argv = ['kubedossier', '--archive', {str(root)!r}, 'query', 'top_users']\n"
        "try:\n    main()\n"
        "finally:\n"
        "    heavy = {'polars', 'pandas', 'rich', 'pyarrow', 'weasyprint', 'httpx'}\n"
        "    sys.stderr.write(f'LOADED {sorted(heavy & set(sys.modules))}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.endswith("LOADED []")
    assert "carol" in done.stdout
