"""Output files on a disk that fails, or loses its power: no half file has the name, and an old whole one stays."""

from __future__ import annotations

import itertools
import os
import stat

import pytest
from faultkit.disk import ACTIONS
from faultkit.losses import acknowledged_too_early, losses, recorded, successes_after_a_failed_sync

from kubedossier.analytics.errors import StorageError, UsageError
from kubedossier.cli.output import complete_file


@pytest.fixture(params=["nothing before", "an old one"])
def bundles(request, output_benches):
    """A bundle, where there is none of its name and where there is one."""
    return output_benches("bundle", request.param == "an old one")


@pytest.fixture(params=["report", "pdf"])
def reports(request, output_benches, everything):
    """A report over an old one; each takes seconds, and how it is written is the same for both."""
    if request.param == "pdf" and not everything:
        pytest.skip("KUBEDOSSIER_FAULTS=all tries the PDF, too")
    return output_benches(request.param, True)


def faults(bench, choose):
    cases = itertools.product(range(1, bench.count() + 1), ACTIONS)
    return [one for at, action in choose(cases) for one in bench.disturbed(action, at)]


def power_losses(bench, choose):
    record = recorded(bench)
    early = acknowledged_too_early(bench, record)
    return early + [one for loss in choose(losses(bench, record)) for one in loss.wrong(bench)]


def test_a_fault_at_any_call_leaves_the_old_bundle_or_a_whole_new_one(bundles, sample):
    wrong = faults(bundles, lambda cases: sample(cases, 10))
    assert not wrong, "\n".join(wrong)


def test_a_power_loss_leaves_the_old_bundle_or_a_whole_new_one(bundles, sample):
    wrong = power_losses(bundles, lambda found: sample(found, 6))
    assert not wrong, "\n".join(wrong)


def test_faults_and_power_losses_leave_the_old_report_or_a_whole_new_one(reports, sample):
    wrong = faults(reports, lambda cases: sample(cases, 3))
    wrong += power_losses(reports, lambda found: sample(found, 1))
    assert not wrong, "\n".join(wrong)


def test_a_file_whose_sync_failed_is_not_told_as_written(output_benches):
    assert not successes_after_a_failed_sync(output_benches("bundle", False), list)


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "2024-09.pdf").write_bytes(b"old")
    (tmp_path / "latest.pdf").symlink_to("2024-09.pdf")
    with complete_file(tmp_path / "latest.pdf") as file:
        file.write(b"new")
    assert (tmp_path / "latest.pdf").is_symlink()
    assert (tmp_path / "2024-09.pdf").read_bytes() == b"new"


def test_what_is_no_file_is_never_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", "."):
        with pytest.raises(UsageError, match="is no file"), complete_file(tmp_path / name):
            pass
    assert (tmp_path / "pipe").is_fifo()


def test_a_new_file_has_the_mode_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        with complete_file(tmp_path / "new") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_whatever_ends_the_writing_leaves_nothing_behind(tmp_path):
    for error, told in ((OSError(28, "No space left on device"), StorageError), (KeyboardInterrupt(), None)):
        with pytest.raises(told or type(error)), complete_file(tmp_path / "new") as file:
            file.write(b"half")
            raise error
    assert list(tmp_path.iterdir()) == []
