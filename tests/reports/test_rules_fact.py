"""The manifest of a report names the technique rules behind the raw audit logs it counts."""

from __future__ import annotations

from kubedossier.reports.wording import rules_fact


def test_one_version_is_named_and_several_name_the_command_that_makes_them_one():
    assert rules_fact(()) == ()
    [one] = rules_fact(("1",))
    assert (one.label, one.text) == ("Technique rules for raw logs", ("version 1",))
    [both] = rules_fact(("1", "2+abc"))
    assert both.text == ("versions 1, 2+abc; ‘kubedossier techniques --rederive’ makes them one",)
