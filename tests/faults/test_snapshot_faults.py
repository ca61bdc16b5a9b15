"""A disk that fails while the Console is read: what was told is kept, and the next run reads the rest."""

from __future__ import annotations

import itertools

from faultkit.disk import ACTIONS
from faultkit.losses import acknowledged_too_early, losses, recorded


def test_a_fault_at_any_call_of_a_snapshot_loses_nothing(snapshots, sample):
    cases = itertools.product(range(1, snapshots.count() + 1), ACTIONS)
    wrong = [one for at, action in sample(cases, 5) for one in snapshots.disturbed(action, at)]
    assert not wrong, "\n".join(wrong)


def test_no_power_loss_during_a_snapshot_breaks_the_promise(snapshots, sample):
    record = recorded(snapshots)
    assert not acknowledged_too_early(snapshots, record)
    wrong = [one for loss in sample(losses(snapshots, record), 3) for one in loss.wrong(snapshots)]
    assert not wrong, "\n".join(wrong)
