"""A query file that is wrong says where; one that is right is read whole."""

from __future__ import annotations

import pytest

from kubedossier.analytics.catalogue import Column, Parameter, bare, load, parse, read_value
from kubedossier.analytics.errors import UsageError

GOOD = """\
-- title: Agents
-- question: Which programs talk to the clusters?
-- parameters:
--   period_start timestamp: first moment
--   period_end timestamp: first moment after
--   agent varchar: such as kubectl,
--     exactly as received
--   least double = 0.5: share at least
--   names varchar[] = a,b: some
--   limit bigint = none: at most
-- columns:
--   user_agent varchar: as received
--   events bigint [events]: in the period
-- order: events desc, user_agent
-- reads: period
-- notes: A program may
--   call itself anything.
select user_agent, count(*) as events -- $not_a_parameter; really
from events
where time >= $period_start and time < $period_end and user_agent = $agent and '$no;' <> "a$b;"
  and 1 > $least and list_contains($names, 'x')
group by user_agent
order by events desc, user_agent
limit $limit
"""


def test_a_right_file_is_read_whole():
    query = parse(GOOD, "agents.sql")
    assert (query.name, query.title, query.reads, query.trusted) == ("agents", "Agents", "period", False)
    assert query.notes == "A program may call itself anything."
    assert query.parameters[2:] == (
        Parameter("agent", "varchar", None, True, "such as kubectl, exactly as received"),
        Parameter("least", "double", 0.5, False, "share at least"),
        Parameter("names", "varchar[]", ["a", "b"], False, "some"),
        Parameter("limit", "bigint", None, False, "at most"),
    )
    assert not query.parameters[0].required
    assert query.columns[1] == Column("events", "bigint", "events", "in the period")
    assert query.sql.startswith("select user_agent")


def test_a_header_may_say_how_tables_are_drawn():
    query = parse(GOOD, "agents.sql")
    assert (query.trend, query.spare) == ((), ())
    more = "-- trend: user_agent = coalesce(user_agent, ''), events\n-- spare: events, user_agent\n-- notes:"
    query = parse(GOOD.replace("-- notes:", more), "agents.sql")
    assert query.trend == (("user_agent", "coalesce(user_agent, '')"), ("events", '"events"'))
    assert query.spare == ("events", "user_agent")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- title: Agents\n", "", "line 1: the header lacks 'title'"),
        ("-- notes:", "-- note:", "line 16: unknown 'note'; did you mean 'notes'?"),
        ("-- order:", "-- title:", "line 14: 'title' appears twice"),
        ("--   call itself", "-- call itself", "line 17: a header line is"),
        ("-- reads: period\n", "-- reads: everything\n", "line 15: 'reads' is period"),
        ("limit bigint = none: at most", "limit bigint none at most", "line 10: a parameter is"),
        ("least double", "least float", "line 8: unknown type 'float'"),
        ("double = 0.5", "double = half", "line 8: the default of 'least': 'half' is not a double"),
        ("events bigint [events]", "events bigint", "line 13: the number 'events' needs a unit"),
        ("--   user_agent varchar: as received\n", "--   Agent: what\n", "line 12: a column is"),
        ("--   limit bigint = none: at most\n", "", "line 17: the SQL uses $limit"),
        ("limit $limit", "", "line 18: the header declares 'limit', which the SQL does not use"),
        ("limit $limit", "limit $limit; select 1", "line 18: a file holds one statement"),
        ("1 > $least", "1 > $least and 1 = ?", "line 18: parameters have names"),
        ("1 > $least", "1 > $least and 1 = $1", "line 18: parameters have names"),
        ("select user_agent", "delete user_agent", "line 18: after the header comes one select"),
        ("names varchar[] = a,b", "agent varchar = a", "line 1: a parameter is declared twice"),
        ("-- notes:", "-- trend: agent\n-- notes:", "line 16: 'trend' names 'agent', which is no column"),
        ("-- notes:", "-- trend: user_agent = $least\n-- notes:", "line 16: the trend of 'user_agent' is one"),
        ("-- notes:", "-- trend: user_agent = a; b\n-- notes:", "line 16: the trend of 'user_agent' is one"),
        ("-- notes:", "-- spare: events, agent\n-- notes:", "line 16: 'spare' names 'agent', which is no column"),
        ("--   events bigint [events]: in the period", "-- trend: user_agent", "line 13: a trend draws the column"),
    ],
)
def test_a_wrong_file_names_itself_and_the_line(old, new, said):
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        parse(GOOD.replace(old, new), "agents.sql")
    assert f"agents.sql, {said}" in caught.value.message


def test_a_name_is_lower_case_words():
    with pytest.raises(UsageError, match="name is lower case"):
        parse(GOOD, "My Query.sql")


def test_a_folder_is_read_by_name_and_other_files_are_left_alone(tmp_path):
    for name in ("zebra.sql", "ant.sql", "notes.txt"):
        (tmp_path / name).write_text(GOOD)
    assert list(load(tmp_path)) == ["ant", "zebra"]


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the queries"):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("x", "bigint"), ("1.5", "bigint"), ("yes", "boolean"), ("2026-13-01", "date"), ("now", "timestamp")],
)
def test_a_value_that_is_none_of_its_type_is_refused(text, kind):
    with pytest.raises(ValueError, match=text):
        read_value(text, kind)


def test_words_in_strings_comments_and_quoted_names_are_no_words():
    assert bare("select 'it''s events' /* records */ from \"gaps\" -- windows") == "select ''   from \"\"  "
