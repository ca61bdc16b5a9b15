"""Actions are told as people count them."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from kubedossier.reports.pieces import Value
from kubedossier.reports.telling import KINDS, kinds_counted
from kubedossier.reports.text import prose


def test_one_action_and_several_agree_with_their_noun():
    assert kinds_counted({"secret access": 13, "exec": 1}).replace("\u00a0", " ") == "1 exec and 13 accesses to secrets"
    assert kinds_counted({"events deleted": 1}).replace("\u00a0", " ") == "1 deletion of events"
    assert kinds_counted({"events deleted": 2}).replace("\u00a0", " ") == "2 deletions of events"


@pytest.mark.parametrize(
    ("package", "name"),
    [("kubedossier.queries", "privileged_actions"), ("kubedossier.reports", "queries/grave_changes")],
)
def test_every_kind_that_a_query_names_has_words(package, name):
    sql = resources.files(package).joinpath(f"{name}.sql").read_text("utf-8")
    kinds = set(re.findall(r"(?:then|else)\s+'([^']+)'", sql))
    assert kinds
    assert kinds <= set(KINDS)


def test_no_line_ends_between_a_day_and_its_month():
    said = prose(("from 3 Oct to 22 October 2026, by ", Value("1 Oct"), "; 5 of 9"))
    assert said == 'from 3\u00a0Oct to 22\u00a0October 2026, by <span class="v">1 Oct</span>; 5 of 9'
