"""A failing or dying disk at the n-th call: the archive stays sound, and the next run completes the work."""

from __future__ import annotations

import itertools

from faultkit.disk import ACTIONS


def test_a_fault_at_any_call_loses_nothing_and_leaves_a_sound_archive(bench, sample):
    calls = bench.count()
    assert calls > 20
    cases = itertools.product(range(1, calls + 1), ACTIONS)
    wrong = [one for at, action in sample(cases, 25) for one in bench.disturbed(action, at)]
    assert not wrong, "\n".join(wrong)
