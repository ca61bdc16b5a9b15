"""The unmodified command line under strace: EIO, ENOSPC and kill -9 at the n-th system call on the archive."""

from __future__ import annotations

import itertools
import shutil

import pytest
from faultkit import straced
from faultkit.workload import acknowledged

pytestmark = pytest.mark.skipif(bool(straced.why_not()), reason=straced.why_not() or "-")


def test_a_fault_in_any_system_call_loses_nothing_and_leaves_a_sound_archive(imports, sample):
    case = imports.case()
    calls = straced.calls(case)
    assert {"fsync", "write", "mkdir", "rename", "linkat", "openat"} <= {name for name, _ in calls}
    chosen = sample(itertools.product(calls, straced.FAULTS), 8)
    wrong, hits = [], 0
    for (syscall, number), fault in chosen:
        case = imports.case()
        run = straced.disturbed(case, syscall, number, fault)
        if run is not None:
            hits += 1
            found = imports.wrong_exit(run, killed=fault.startswith("signal"))
            found += imports.wrong(case, acknowledged(run.out))
            wrong += [f"{imports.name}, {fault} in {syscall} {number}: {one}" for one in found]
        shutil.rmtree(case)
    assert not wrong, "\n".join(wrong)
    assert hits >= len(chosen) * 0.8
