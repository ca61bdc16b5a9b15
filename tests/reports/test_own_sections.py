"""Sections and catalogues of a user's own: the documented example works, and nothing a template does opens a door."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from kubedossier.analytics.errors import KubedossierError, UsageError
from kubedossier.analytics.periods import parse_period
from kubedossier.cli import cli, diagnostics
from kubedossier.reports import catalogues, composing, own_templates
from kubedossier.reports.build import build
from kubedossier.reports.check import check_report
from kubedossier.reports.compositor import compose
from kubedossier.reports.confinement import Limits
from kubedossier.reports.data import json_bytes
from kubedossier.reports.evidence import MANIFEST_NAME
from kubedossier.reports.model import OwnAnswer, OwnColumn, OwnSection, Request, Section
from kubedossier.reports.own_markup import MarkupError
from kubedossier.reports.own_markup import check as check_markup
from kubedossier.reports.own_sections import LONGEST_TEMPLATE, ROWS_GIVEN, read_sections
from kubedossier.reports.own_templates import FILTERS, written
from kubedossier.reports.press import pdf_bytes
from kubedossier.reports.render import html
from kubedossier.reports.text import visible
from kubedossier.reports.web import html_bytes

NOW = datetime(2026, 11, 2, tzinfo=UTC)
OCTOBER = parse_period("2026-10", now=NOW)
PAGE = Path(__file__).resolve().parents[2] / "reports" / "README.md"
NAME = "changes_by_hand"
QUERY = """\
-- title: Users
-- question: Who?
-- parameters:
--   period_start timestamp: first moment
--   period_end timestamp: first moment after it
-- columns:
--   who varchar: name
--   events bigint [events]: in the period
-- order: events desc, who
-- reads: period
-- notes: none
select "user" as who, count(*) as events
from events
where time >= $period_start and time < $period_end
group by who
order by events desc, who
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The folder that the page describes, as somebody would copy it."""
    config, catalogue = blocks("toml")
    (template,), (sql,) = blocks("jinja"), blocks("sql")
    for name, text in (
        ("kubedossier.toml", config),
        (f"my-sections/{NAME}.html.j2", template),
        (f"my-sections/{NAME}.sql", sql),
        ("my-frameworks/house-rules.toml", catalogue),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
def confined(tmp_path: Path):
    """A section of this text over the query ``users``, read and checked as commands do it, in a child process."""

    def read(text: str, sql: str = QUERY, header: str = "{# title: Mine #}"):
        (tmp_path / "users.sql").write_text(sql, "utf-8")
        (tmp_path / "users.html.j2").write_text(f"{header}\n{text}", "utf-8")
        return read_sections(tmp_path, ["users"])

    return read


@pytest.fixture
def section(confined, monkeypatch):
    """The same, checked in this process: a child for each of the many mistakes would cost the tests a minute."""
    monkeypatch.setattr("kubedossier.reports.own_sections.check", own_templates.check)
    return confined


def filled_here(report) -> str:
    """The report's one own section, filled in this process."""
    return compose(("fill", report, report.own[0], "paper")).decode()


def page_of(archive, sources) -> str:
    """The one section as it stands in the report's HTML."""
    report = build(archive, OCTOBER, Request(own=sources))
    whole = html(report, own=(filled_here(report),))
    return re.search(r'<section aria-labelledby="users">.*?</section>', whole, re.DOTALL)[0]


@pytest.fixture
def run(monkeypatch, capfdbinary):
    def call(*arguments: str) -> tuple[int, bytes, str]:
        monkeypatch.setattr("sys.argv", ["kubedossier", *arguments])
        code = diagnostics.run(cli)
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return call


def test_the_example_of_the_page_becomes_a_section_and_a_catalogue_of_the_report(example, busy, run, text_of):
    words = ("--config", str(example / "kubedossier.toml"), "--archive", str(busy.path))
    code, _, err = run(*words, "report", "--period", "2026-10", "-o", str(example / "out.pdf"))
    assert code == 0, err
    data = (example / "out.pdf").read_bytes()
    text = " ".join(text_of(data).split())
    assert "8 Changes by hand" in text
    assert "9 Control mapping" in text
    assert "The house rule is that pipelines change production." in text
    assert "House rules" in text and "HR-7" in text
    assert "group by date, cluster" in text
    assert check_report(example / "out.pdf").findings == ()


@pytest.mark.parametrize(
    ("option", "hint"), [(("--section", "change_by_hand"), NAME), (("--framework", "house-rule"), "house-rules")]
)
def test_a_misspelt_section_or_catalogue_names_the_nearest_and_makes_nothing(example, busy, run, option, hint):
    words = ("--config", str(example / "kubedossier.toml"), "--archive", str(busy.path))
    code, out, err = run(*words, "report", "--period", "2026-10", "-o", str(example / "out.pdf"), *option)
    assert (code, out) == (2, b"")
    assert f"Did you mean '{hint}'?" in err
    assert not (example / "out.pdf").exists()


def test_the_answer_of_a_section_is_evidence_as_all_others(example, busy):
    own = read_sections(example / "my-sections", [NAME])
    report = build(busy, OCTOBER, Request(own=own))
    (answer,) = report.own[0].answers
    evidence = next(one for one in report.evidence if one.mark == answer.mark)
    assert (evidence.name, evidence.rows) == (NAME, answer.total)
    assert 0 < answer.total == len(answer.rows)
    rows = next(one.data for one in report.attachments if one.name == evidence.file).decode().splitlines()
    assert sum(int(row.rsplit(",", 1)[1]) for row in rows[1:]) == sum(row[2] for row in answer.rows)
    manifest = json.loads(next(one.data for one in report.attachments if one.name == MANIFEST_NAME))
    assert manifest["queries"][-1]["name"] == NAME
    assert report.cover.seal != build(busy, OCTOBER, Request()).cover.seal
    assert [one.id for one in report.sections][7:9] == [NAME, "manifest"]


def test_pdf_html_and_json_hold_the_same_numbers_of_a_section(example, busy, text_of):
    own = read_sections(example / "my-sections", [NAME])
    report = build(busy, OCTOBER, Request(own=own))
    (answer,) = report.own[0].answers
    paper = " ".join(text_of(pdf_bytes(report)).split())
    web = html_bytes(report).decode()
    told = json.loads(json_bytes(report))["own"][0]["answers"][0]
    assert f"people did so, too: {answer.total} rows, one for each day and cluster" in paper
    assert f"people did so, too:\n{answer.total} rows, one for each day and cluster" in web
    assert (told["total"], len(told["rows"])) == (answer.total, len(answer.rows))
    for day, cluster, changes in answer.rows[:3]:
        assert f"{cluster}: {changes} changes on {day.day} October 2026" in paper
    assert "style=" not in web.split(f'aria-labelledby="{NAME}"')[1].split("</section>")[0]


def test_the_same_section_gives_the_same_bytes(example, busy):
    def made() -> bytes:
        return pdf_bytes(build(busy, OCTOBER, Request(own=read_sections(example / "my-sections", [NAME]))))

    assert made() == made()


def test_a_section_of_an_empty_month_says_so(example, quiet, text_of):
    own = read_sections(example / "my-sections", [NAME])
    text = " ".join(text_of(pdf_bytes(build(quiet, OCTOBER, Request(own=own)))).split())
    assert "people did so, too: 0 rows" in text
    assert "None in this period." in text


HOSTILE_WAYS = """\
{% autoescape false %}
{% for row in users.rows %}<p>{{ row.who }} {{ row.who|upper }} {{ "x" ~ row.who }} {{ row.who + "x" }}
{{ [row.who, row.who|lower]|join(", ") }}
{{ "%s" % row.who }} {{ "{}".format(row.who) }} {{ row.who|replace("a", "b") }} {{ row["who"][0:200] }}
{{ row.who.title() }}
{% set kept %}{{ row.who|trim }}{% endset %}{{ kept }}{% macro echo(it) %}{{ it }}{% endmacro %}
{{ echo(row.who|lower) }} {{ mark(users) }}</p>
{% endfor %}
{% endautoescape %}
{{ table(users) }}
"""


def test_hostile_names_stay_text_whatever_a_template_does_with_them(section, hostile, tmp_path):
    page = page_of(hostile, section(HOSTILE_WAYS))
    assert "alert(1)" in page.lower()
    for opened in ("<script", "<img", "<link", "</title>", "<SCRIPT", "<IMG"):
        assert opened not in page
    for unseen in ("\u202e", "\x1b", "\x00", "\ue000", "\u05d0", "\U0001f600"):
        assert unseen not in page
    assert "[U+202E]" in page
    report = build(hostile, OCTOBER, Request(own=section(HOSTILE_WAYS)))
    (tmp_path / "out.pdf").write_bytes(pdf_bytes(report))
    assert check_report(tmp_path / "out.pdf").findings == ()


def test_text_of_an_event_in_the_title_of_a_table_stays_text(section, hostile):
    call = "table(users, title=row.who, note=row.who, columns={'who': row.who})"
    text = f"{{% for row in users.rows %}}{{{{ {call} }}}}{{% endfor %}}"
    sources = section(text)
    for made in (page_of(hostile, sources), html_bytes(build(hostile, OCTOBER, Request(own=sources))).decode()):
        own = made.split('aria-labelledby="users"')[1].split("</section>")[0]
        assert "&lt;script&gt;alert(1)" in own
        assert "<script" not in own
        assert "admin[U+202E]gnp.exe" in own


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("{{ mark(users) }}\n{{ usrs.total }}", 3, "'usrs' is not known here"),
        ("{{ mark(users) }}{{ users.rows|safe }}", 2, "No filter named 'safe'"),
        ("{{ mark(users) }}\n{% include '/etc/passwd' %}", 3, "stands alone"),
        ("{% filter upper %}{{ mark(users) }}{% endfilter %}", 2, "a filter stands at a value"),
        ("{% import 'x' as x %}{{ mark(users) }}", 2, "stands alone"),
        ("{% extends 'x' %}{{ mark(users) }}", 2, "stands alone"),
        ("{{ mark(users) }}{{ lipsum }}", 2, "'lipsum' is not known here"),
        ("{{ mark(users) }}\n{% if %}", 3, "Expected an expression"),
        ("{{ mark(users) }}\n\n<script>x</script>", 4, "<script> may not be used"),
        ("{{ mark(users) }}<img src='x'>", 2, "<img> may not be used"),
        ("{{ mark(users) }}<a href='x'>y</a>", 2, "<a> may not be used"),
        ("{{ mark(users) }}<p style='x'>y</p>", 2, "'style' may not be used"),
        ("{{ mark(users) }}<p onclick='x'>y</p>", 2, "'onclick' may not be used"),
        ("{{ mark(users) }}<p class='{{ period.label }}'>y</p>", 2, "between tags only"),
        ("{{ mark(users) }}<{{ period.label }}>", 2, "'<' that begins no tag"),
        ("{{ mark(users) }}<p{% if 1 %}>{% endif %}", 2, "between tags only"),
        ("{{ mark(users) }}\n<div>\n<p>x</div>", 4, "</div> stands where </p> is expected"),
        ("{{ mark(users) }}\n<div>\n<p>x</p>", 3, "<div> is not closed"),
        ("{{ mark(users) }}<p><table></table></p>", 2, "<p> cannot hold <table>"),
        ("{{ mark(users) }}<!-- {{ 1 }} -->", 2, "a comment is written {# ... #}"),
        ("{{ mark(users) }}<table><tr><th>x</th></tr></table>", 2, "<th> needs scope"),
        ("<p>{{ users.total }}</p>", 2, "'users' has no evidence mark"),
        ("<p>nothing</p>", 1, "'users' is asked and not shown"),
    ],
)
def test_a_mistake_in_a_template_names_its_line_before_anything_is_asked(section, text, line, what):
    with pytest.raises(UsageError) as caught:
        section(text)
    assert f"users.html.j2, line {line}: " in caught.value.message
    assert what in caught.value.message


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("{{ mark(users) }}\n{{ users.rows[0].whom }}", 3, "there is no column 'whom'; did you mean 'who'?"),
        ("{{ mark(users) }}\n\n{{ 1 / 0 }}", 4, "division by zero"),
        ("{{ mark(users) }}{{ users._held }}", 2, "'_held'"),
        ("{{ mark(users) }}{{ users.__class__ }}", 2, "'__class__'"),
        ("{{ mark(users) }}{{ ''.__class__.__mro__ }}", 2, "unsafe"),
        ("{{ mark(users) }}{{ table.__globals__ }}", 2, "unsafe"),
        ("{{ mark(users) }}{{ users }}", 2, "no value to print"),
        ("{{ mark(users) }}\n{{ table(users, columns=['whoo']) }}", 3, "has no column 'whoo'; did you mean 'who'?"),
        ("{{ mark(users) }}\n{{ table(users, rows=1000) }}", 3, "shows 1 to 300 rows"),
        ("{{ mark(users) }}\n{{ table('users') }}", 3, "take an answer by its name"),
        ("{{ mark(users) }}{% for n in range(10 ** 9) %}x{% endfor %}", 2, "Range too big"),
        ("{{ mark(users) }}{% for n in range(99999) %}xxxxxxxxxx{% endfor %}", 1, "longer than 400,000"),
    ],
)
def test_a_template_that_fails_names_its_line_and_makes_no_report(section, quiet, text, line, what):
    sources = section(text)
    period = parse_period("2026-09", now=datetime(2026, 11, 2, tzinfo=UTC))
    report = build(quiet, period, Request(own=sources))
    with pytest.raises(KubedossierError) as caught:
        filled_here(report)
    assert f"users.html.j2, line {line}: " in caught.value.message
    assert what in caught.value.message


@pytest.mark.parametrize("make", [pdf_bytes, html_bytes])
def test_a_template_that_fails_is_told_by_the_child_that_fills_it(confined, quiet, make):
    report = build(quiet, OCTOBER, Request(own=confined("{{ mark(users) }}\n{{ 1 / 0 }}")))
    with pytest.raises(UsageError, match=r"users\.html\.j2, line 3: division by zero"):
        make(report)


def test_a_mistake_is_told_by_the_child_that_checks(confined):
    with pytest.raises(UsageError, match=r"users\.html\.j2, line 3: 'usrs' is not known here") as caught:
        confined("{{ mark(users) }}\n{{ usrs.total }}")
    assert caught.value.hint == "Did you mean 'users'?"


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
HUGE = "{% set a = period.title.ljust(10 ** 9) %}"


@pytest.mark.parametrize("medium", ["paper", "web"])
@pytest.mark.parametrize(("text", "said"), [(ENDLESS, "needed more than 2 seconds"), (HUGE, "needed more memory than")])
def test_a_template_without_end_or_measure_is_ended_and_named(section, quiet, text, said, medium):
    if text is HUGE and sys.platform == "darwin":
        pytest.skip("macOS does not keep the limit of address space")
    report = build(quiet, OCTOBER, Request(own=section(f"{{{{ mark(users) }}}}{text}")))
    with pytest.raises(UsageError, match=said) as caught:
        composing.filled_sections(report, medium, limits=Limits(seconds=2, memory_bytes=composing.LIMITS.memory_bytes))
    assert "users.html.j2: the template " in caught.value.message
    assert "SQL" in caught.value.hint


def test_a_template_whose_constants_have_no_end_is_ended_before_anything_is_asked(confined, monkeypatch):
    monkeypatch.setattr(composing.check, "__kwdefaults__", {"limits": Limits(seconds=2)})
    with pytest.raises(UsageError, match=r"users\.html\.j2: the template needed more than 2 seconds"):
        confined("{{ mark(users) }}{{ 9 ** (9 ** 9) }}")


def test_a_file_that_is_too_long_for_a_template_is_not_read_whole(confined):
    with pytest.raises(UsageError, match=r"users\.html\.j2' is longer than 200,000 bytes"):
        confined("x" * LONGEST_TEMPLATE)


def test_a_template_without_end_leaves_no_file(example, busy, run, monkeypatch):
    template = example / "my-sections" / f"{NAME}.html.j2"
    template.write_text(template.read_text("utf-8") + ENDLESS, "utf-8")
    monkeypatch.setattr(composing.filled_sections, "__kwdefaults__", {"limits": Limits(seconds=2)})
    words = ("--config", str(example / "kubedossier.toml"), "--archive", str(busy.path))
    code, out, err = run(*words, "report", "--period", "2026-10", "-f", "pdf,html", "-o", str(example))
    assert (code, out) == (2, b"")
    assert f"{NAME}.html.j2: the template needed more than 2 seconds" in err
    assert not list(example.glob("monthly*"))


def test_tags_that_only_some_months_leave_open_are_found_when_the_section_is_filled(section, quiet):
    text = "{{ mark(users) }}{% if users.total %}<div>{% endif %}{% if not users.total %}</div>{% endif %}"
    with pytest.raises(UsageError, match="what the template makes is no section"):
        page_of(quiet, section(text))


def test_long_values_and_units_are_set_as_in_the_tables_of_the_report(section, busy):
    sql = QUERY.replace('select "user" as who', "select 'system:serviceaccount:external-secrets/a' as who")
    sql = sql.replace("-- order:", "--   part double [0..1]: of all\n--   grown double [ratio]: since\n-- order:")
    sql = sql.replace("as events\nfrom", "as events, 0.152::double as part, -0.04::double as grown\nfrom")
    sources = section("{{ table(users) }}", sql)
    report = build(busy, OCTOBER, Request(own=sources))
    for made in (page_of(busy, sources), html_bytes(report).decode().split('aria-labelledby="users"')[1]):
        cells = made.split("<tbody>")[1].split("</tbody>")[0]
        assert "<wbr>" in cells
        assert "15.2\u00a0%" in cells
        assert "\u22124\u00a0%" in cells


def test_rows_are_given_whole_or_not_at_all(section, busy, monkeypatch):
    monkeypatch.setattr("kubedossier.reports.own_sections.ROWS_GIVEN", 3)
    table = page_of(busy, section("{{ table(users, rows=2) }}"))
    assert "First 2 of 11" in table
    with pytest.raises(UsageError, match="has 11 rows, and a template gets at most 3"):
        page_of(busy, section("{{ mark(users) }}{% for row in users.rows %}{{ row.who }}{% endfor %}"))


@pytest.mark.parametrize(
    ("header", "line", "what"),
    [
        ("<p>x</p>", 1, "begins with {# title"),
        ("{# titel: Mine #}", 1, "did you mean 'title'?"),
        ("{# title: Mine\n queries: userss #}", 2, "there is no query 'userss'"),
        ("{# title: Mine\n queries: users, user_timeline #}", 2, "needs 'user'"),
        ("{# queries: users #}", 1, "has a title"),
        (f"{{# title: {'long ' * 20} #}}", 1, "at most 60"),
    ],
)
def test_a_mistake_in_the_header_names_its_line(section, header, line, what):
    with pytest.raises(UsageError) as caught:
        section("{{ table(users) }}", header=header)
    assert f"users.html.j2, line {line}: " in caught.value.message
    assert what in caught.value.message


def test_a_mistake_in_the_sql_names_its_file_and_line(section, busy):
    with pytest.raises(UsageError, match=r"users\.sql, line \d+: .*nothing_there"):
        build(
            busy,
            OCTOBER,
            Request(own=section("{{ table(users) }}", QUERY.replace("from events", "from nothing_there"))),
        )
    with pytest.raises(UsageError, match=r"users\.sql, line 1: the header lacks 'order'"):
        section("{{ table(users) }}", QUERY.replace("-- order: events desc, who\n", ""))


def test_the_sql_of_a_section_can_touch_nothing_but_the_views(section, busy):
    wicked = QUERY.replace("from events", "from read_csv('/etc/passwd')")
    with pytest.raises(UsageError):
        build(busy, OCTOBER, Request(own=section("{{ table(users) }}", wicked)))


def test_an_unknown_section_names_the_nearest(section, tmp_path):
    section("{{ table(users) }}")
    with pytest.raises(UsageError) as caught:
        read_sections(tmp_path, ["user"])
    assert caught.value.hint == "Did you mean 'users'?"
    with pytest.raises(UsageError, match="no section 'users'"):
        read_sections(None, ["users"])
    with pytest.raises(UsageError):
        read_sections(tmp_path, ["../users"])


@pytest.mark.parametrize("name", ["summary", "e1", "contents"])
def test_a_section_may_not_take_the_place_of_a_part_of_the_report(tmp_path, name):
    (tmp_path / f"{name}.html.j2").write_text("{# title: x #}", "utf-8")
    with pytest.raises(UsageError, match="the name of a part of every report"):
        read_sections(tmp_path, [name])


def test_a_section_may_ask_questions_of_the_package_and_of_the_users_folder(tmp_path, busy):
    (tmp_path / "sections").mkdir()
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "users.sql").write_text(QUERY, "utf-8")
    text = "{# title: Mine\n   queries: users, namespaces #}\n{{ table(users) }}"
    text += "{{ table(namespaces, columns=['namespace', 'events']) }}"
    (tmp_path / "sections" / "mine.html.j2").write_text(text, "utf-8")
    (source,) = read_sections(tmp_path / "sections", ["mine,mine"], tmp_path / "queries")
    report = build(busy, OCTOBER, Request(own=(source,)))
    assert [one.name for one in report.own[0].answers] == ["users", "namespaces"]
    (tmp_path / "sections" / "users.sql").write_text(QUERY, "utf-8")
    with pytest.raises(UsageError, match="has the same name"):
        read_sections(tmp_path / "sections", ["mine"], tmp_path / "queries")


def test_the_page_names_the_filters_tags_and_limits_there_are():
    page = " ".join(PAGE.read_text("utf-8").split())
    for name in (*FILTERS, "count", "percent", "day", "moment"):
        assert re.search(rf"\b{name}\b", page), name
    assert f"more than {ROWS_GIVEN:,} rows" in page
    listed = re.search(r"Its markup is (.*?), with", page)[1]
    for tag in re.split(r", | and ", listed):
        check_markup(f"<{tag}>" if tag == "br" else f"<{tag} scope='row'>x</{tag}>")
    with pytest.raises(MarkupError):
        check_markup("<h2>x</h2>")


CATALOGUE = blocks("toml")[1]


def test_a_catalogue_of_the_users_is_read_by_the_loader_of_the_built_in_ones(example):
    (found,) = catalogues.chosen(["house-rules"], example / "my-frameworks", sections=[NAME], queries=[NAME])
    assert (found.id, found.controls[0].id) == ("house-rules", "HR-7")
    both = catalogues.chosen(["soc2,house-rules"], example / "my-frameworks", sections=[NAME], queries=[NAME])
    assert [one.id for one in both] == ["soc2", "house-rules"]


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("support =", "suport =", 14, "Did you mean 'support'?"),
        ('"partly supports"', '"proves"', 14, "must be one of 'supports'"),
        ('"high"', '"sure"', 16, "must be one of 'high'"),
        ('support = "partly supports"', 'support = "supports"\n#', 14, ""),
        ('"privileged"]', '"privilegd"]', 11, "Did you mean 'privileged'?"),
        ('"privileged_actions"', '"privileged_action"', 12, "Did you mean 'privileged_actions'?"),
        ('"interactive-access"', '"interactive"', 13, "names 'interactive'"),
        ('cannot = "Changes', 'cannot = "Whether we comply. Changes', 15, "speaks of compliance"),
        ('shows = "Changes', 'shows = "Compliant changes', 10, "speaks of compliance"),
        ('title = "Production is changed by pipelines"', "", 7, "has no 'title'"),
        ('id = "house-rules"', 'id = "house"', 1, "the file is named 'house-rules.toml'"),
        ('id = "HR-7"', f'id = "{"x" * 25}"', 8, "at most 24 characters"),
        ('sections = ["changes_by_hand", "privileged"]', "sections = []", 11, "is empty"),
        ('version = "3, May 2026"', "version = 3", 4, "must be text, not 3"),
    ],
)
def test_a_mistake_in_a_catalogue_names_the_line(example, old, new, line, what):
    assert old in CATALOGUE
    path = example / "my-frameworks" / "house-rules.toml"
    text = CATALOGUE.replace(old, new)
    if not what:
        text, what = text.replace('confidence = "high"', 'confidence = "low"'), "low confidence"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        catalogues.chosen(["house-rules"], example / "my-frameworks", sections=[NAME], queries=[NAME])
    assert f"house-rules.toml', line {line}:" in caught.value.message
    assert what in f"{caught.value.message} {caught.value.hint}"


def test_a_control_may_name_only_sections_and_questions_that_the_report_has(example):
    with pytest.raises(UsageError, match="names 'changes_by_hand', which this report does not have"):
        catalogues.chosen(["house-rules"], example / "my-frameworks")


def test_two_controls_of_one_id_and_a_built_in_name_are_refused(example):
    folder = example / "my-frameworks"
    path = folder / "house-rules.toml"
    path.write_text(CATALOGUE + CATALOGUE[CATALOGUE.index("[[control]]") :], "utf-8")
    with pytest.raises(UsageError, match="so is that of a control before it"):
        catalogues.chosen(["house-rules"], folder, sections=[NAME], queries=[NAME])
    path.rename(folder / "soc2.toml")
    with pytest.raises(UsageError, match="built-in catalogue of that name"):
        catalogues.chosen(["soc2"], folder)


def test_the_folder_of_queries_may_be_that_of_the_sections(example, busy, run):
    config = example / "kubedossier.toml"
    config.write_text('queries = "my-sections"\n' + config.read_text("utf-8"), "utf-8")
    words = ("--config", str(config), "--archive", str(busy.path))
    code, out, _ = run(*words, "query", NAME, "--period", "2026-10", "-f", "csv")
    assert (code, out.splitlines()[0]) == (0, b"date,cluster,changes")
    code, out, err = run(*words, "report", "--period", "2026-10", "-f", "json", "-o", "-")
    assert code == 0, err
    assert json.loads(out)["own"][0]["answers"][0]["total"] > 0


HOSTILE_PIECES = ("<b>", "</p>", "\u202e", "&lt;", "{{ 1 }}", "%s", "\x00")
EVERY_WAY = """\
{# title: x #}
{% for row in users.rows %}<p>{{ row.who }}|{{ row.who|upper }}|{{ row.who ~ "x" }}|{{ row.who + "x" }}
{{ row.who * 2 }}
{{ [row.who, row.who|lower, "<"]|join("<") }}{{ row.who|replace("a", "<b>") }}{{ row.who[1:] }}{{ row.who|truncate(9) }}
{{ "<i>%s" % row.who }}{{ "<i>{}".format(row.who) }}{{ row.who|title|trim|batch(2)|list }}{{ mark(users) ~ row.who }}
{% set kept %}{{ row.who|reverse }}{% endset %}{{ kept + row.who }}{{ kept|upper }}{{ kept[3:] }}</p>
{% endfor %}
"""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=30) | st.sampled_from(HOSTILE_PIECES), max_size=2))
def test_no_text_of_an_event_becomes_markup_or_stays_unseen_whatever_it_is(names):
    answer = OwnAnswer(
        "users", "Users", "E1", (OwnColumn("who", "varchar", ""),), tuple((name,) for name in names), len(names)
    )
    own = OwnSection(Section("users", "8", "Users"), "users.html.j2", EVERY_WAY, (answer,))
    pieces = SimpleNamespace(mark=lambda mark: Markup('<a class="mark" href="#e1">{}</a>').format(mark))
    cover = SimpleNamespace(period="October 2026", period_label="2026-10", start=NOW, end=NOW, organisation="")
    page = str(written(own, pieces, cover))
    check_markup(page, given=True)
    assert set(re.findall(r"<(\w+)", page.lower())) <= {"p", "span", "a"}
    assert page.count("<p>") == page.count("</p>") == len(names)
    assert visible(page) == page


def test_a_question_without_end_is_ended_and_named_with_its_file(section, quiet, monkeypatch):
    monkeypatch.setattr("kubedossier.reports.own_sections.QUERY_SECONDS", 0.2)
    endless = (
        "select 'x' as who, sum(a.range * b.range) as events from range(1000000000) as a, range(1000000000) as b\n"
    )
    sql = QUERY[: QUERY.index("select ")] + endless + "where $period_start < $period_end\n"
    sources = section("{{ table(users) }}", sql=sql)
    with pytest.raises(UsageError, match=r"users\.sql, line \d+: The SQL took more than 0\.2 seconds") as caught:
        build(quiet, OCTOBER, Request(own=sources))
    assert "$period_start" in caught.value.hint


def test_a_question_of_the_package_is_ended_likewise_and_named(section, quiet, monkeypatch):
    monkeypatch.setattr("kubedossier.reports.own_sections.QUERY_SECONDS", 0.2)
    (source,) = section("{{ table(coverage) }}", header="{# title: Mine\n   queries: coverage #}")
    endless = "select sum(a.range * b.range) from range(1000000000) as a, range(1000000000) as b"
    slow = dataclasses.replace(source.queries[0], sql=f"{endless} where $period_start < $period_end")
    assert slow.trusted
    with pytest.raises(UsageError, match=r"html\.j2, question 'coverage': The SQL took more than 0\.2") as caught:
        build(quiet, OCTOBER, Request(own=(dataclasses.replace(source, queries=(slow,)),)))
    assert "leave the question out" in caught.value.hint


@pytest.mark.parametrize("part_rows", [1, 60_000])
def test_of_a_question_that_names_events_a_section_holds_what_it_gets(section, busy, monkeypatch, part_rows):
    monkeypatch.setattr("kubedossier.reports.gathering.PART_ROWS", part_rows)
    monkeypatch.setattr("kubedossier.reports.own_sections.ROWS_GIVEN", 5)
    header = "{# title: Mine\n   queries: privileged_actions #}"
    sources = section("{{ table(privileged_actions, columns=['user']) }}", header=header)
    report = build(busy, OCTOBER, Request(own=sources))
    (answer,) = report.own[0].answers
    first, again = (one for one in report.evidence if one.name == "privileged_actions" and "-before" not in one.file)
    whole = busy.answer("privileged_actions", period=OCTOBER, limit=0).frame
    assert (answer.total, len(answer.rows)) == (whole.height, 5)
    assert (again.digest, again.rows, again.repeats) == (first.digest, first.rows, first.mark)
    assert [row[0] for row in answer.rows] == whole["time"].head(5).to_list()
