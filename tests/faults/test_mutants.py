"""The harnesses find what they are for: each planted mistake of a commit protocol, by those that are named here."""

from __future__ import annotations

import itertools
import random

import pytest
from faultkit.losses import acknowledged_too_early, losses, recorded, successes_after_a_failed_sync
from faultkit.mutants import HARMLESS, MUTANTS

FAULTS, POWER, EARLY, FAILED_SYNC = "faults", "power loss", "success too early", "success after a failed sync"
FOUND_BY = {
    "no_data_fsync": {POWER, EARLY, FAILED_SYNC},
    "no_folder_fsync": {POWER, EARLY, FAILED_SYNC},
    "rename_without_folder_fsync": {POWER, EARLY, FAILED_SYNC},
    "new_folder_without_fsync_of_its_parent": {POWER, EARLY, FAILED_SYNC},
    "files_move_before_the_entry_is_named": {POWER, FAULTS},
    "staged_entry_not_durable_in_tmp": {POWER},
    "ledger_before_data": {POWER, FAULTS},
    "success_before_fsync": {POWER, EARLY, FAILED_SYNC, FAULTS},
    "entry_by_open_and_write": {POWER, FAULTS},
    "fsync_error_ignored": {FAILED_SYNC},
    "witness_before_the_ledger": {POWER, FAULTS},
}


def by_faults(bench, mutant, few):
    cases = list(itertools.product(range(1, bench.count(mutant) + 1), ("eio", "kill", "torn-kill")))
    random.Random(7).shuffle(cases)
    return any(bench.disturbed(action, at, mutant) for at, action in cases[:few])


def by_power_loss(bench, mutant, few):
    found = losses(bench, recorded(bench, mutant))
    random.Random(7).shuffle(found)
    return any(loss.wrong(bench) for loss in found[:few])


def by_early_success(bench, mutant, few):
    return bool(acknowledged_too_early(bench, recorded(bench, mutant)))


def by_failed_sync(bench, mutant, few):
    return bool(successes_after_a_failed_sync(bench, lambda syncs: list(syncs)[:few], mutant))


HARNESSES = {EARLY: by_early_success, POWER: by_power_loss, FAILED_SYNC: by_failed_sync, FAULTS: by_faults}


def test_every_mutant_is_named():
    assert FOUND_BY.keys() | set(HARMLESS) == MUTANTS.keys()
    assert all(FOUND_BY.values())


@pytest.mark.parametrize("mutant", FOUND_BY)
def test_a_planted_mistake_is_found(first_bench, mutant, everything):
    if everything:
        found = {name for name, find in HARNESSES.items() if find(first_bench, mutant, None)}
        assert found >= FOUND_BY[mutant], found
    else:
        name = next(name for name in HARNESSES if name in FOUND_BY[mutant])
        assert HARNESSES[name](first_bench, mutant, 200)


@pytest.mark.parametrize("mutant", ["tmp_not_cleaned", "small_row_groups"])
def test_what_is_no_mistake_is_not_found(first_bench, mutant, everything):
    few = None if everything else 8
    assert not [name for name, find in HARNESSES.items() if find(first_bench, mutant, few)]
