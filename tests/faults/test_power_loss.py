"""Power lost after any operation of a commit: whatever the disk kept, nothing acknowledged is lost."""

from __future__ import annotations

from faultkit.losses import acknowledged_too_early, losses, recorded, successes_after_a_failed_sync


def test_no_disk_a_power_loss_may_leave_breaks_the_promise(bench, sample):
    record = recorded(bench)
    found = losses(bench, record)
    assert len(found) > 10
    wrong = [one for loss in sample(found, 30) for one in loss.wrong(bench)]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_acknowledged_before_the_last_sync(bench):
    assert not acknowledged_too_early(bench, recorded(bench))


def test_a_failed_sync_is_never_followed_by_success(bench, sample):
    assert not successes_after_a_failed_sync(bench, lambda syncs: sample(syncs, 12))
