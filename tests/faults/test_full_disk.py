"""A disk that is full, or may not be written: a plain error, exit code 7, and the archive as it was."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from faultkit import straced
from faultkit.disk import QUOTA
from faultkit.workload import acknowledged

FULL = """
set -e
mount -t tmpfs -o size="$1" tmpfs "$2/disk"
cp -a "$2/../start/disk/." "$2/disk/"
shift 2
set +e
"$@"
echo $? > code
mkdir kept
cp -a disk/. kept/
"""
READ_ONLY = """
set -e
mount --bind disk disk
mount -o remount,bind,ro disk
set +e
"$@"
echo $? > code
"""


def _alone(script, case, *arguments):
    """Run a shell script that may mount, and whose mounts nobody else sees."""
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting is not permitted here (unshare -rm)")
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *arguments],
        cwd=case,
        env=straced.environment(case),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _on_a_full_disk(bench, kib):
    """One run on a disk of so many KiB: its exit code, and what is wrong with that or with what it left.

    None for the exit code where the disk as it was before the run does not even fit.
    """
    case = bench.case()
    ended = _alone(FULL, case, f"{kib}k", str(case), *straced.command(case, *bench.argv))
    if "cp:" in ended.stderr and not (case / "code").exists():
        return None, []
    run = straced.Run(int((case / "code").read_text()), ended.stdout, ended.stderr)
    wrong = bench.wrong_exit(run, killed=False)
    shutil.rmtree(case / "disk")
    (case / "kept").rename(case / "disk")
    wrong += bench.wrong(case, acknowledged(run.out))
    shutil.rmtree(case)
    return run.code, [f"{kib} KiB: {one}" for one in wrong]


def _wherever_it_fills_up(bench, choose, room=200):
    """From a disk that is full already to one with room enough."""
    used = sum(-(-one.lstat().st_size // 4096) * 4 for one in (bench.start / "disk").rglob("*") if one.is_file())
    sizes = (used + 4, *choose(range(used + 8, used + room, 4)), used + 2000)
    codes, wrong = zip(*(_on_a_full_disk(bench, kib) for kib in sizes), strict=True)
    found = list(itertools.chain.from_iterable(wrong))
    assert not found, "\n".join(found)
    assert codes[-1] == bench.scenario.done
    return codes


def test_a_full_disk_is_a_plain_error_wherever_it_fills_up(imports, sample):
    assert 7 in _wherever_it_fills_up(imports, lambda sizes: sample(sizes, 3))


def test_a_full_disk_is_a_plain_error_of_a_snapshot(snapshots, sample):
    assert 7 in _wherever_it_fills_up(snapshots, lambda sizes: sample(sizes, 2))


@pytest.mark.parametrize("name", ["compact", "retry"])
def test_a_full_disk_is_a_plain_error_of_what_writes_events_again(benches, name, sample):
    assert 7 in _wherever_it_fills_up(benches(name), lambda sizes: sample(sizes, 1))


@pytest.mark.parametrize("name", ["bundle", "report", "pdf"])
def test_a_full_disk_leaves_the_old_file_or_a_whole_new_one(output_benches, name, sample, everything):
    if name == "pdf" and not everything:
        pytest.skip("KUBEDOSSIER_FAULTS=all tries the PDF, too")
    assert 7 in _wherever_it_fills_up(output_benches(name, True), lambda sizes: sample(sizes, 1))


def _within_a_quota(bench, action, at):
    """What is wrong after a write beyond a quota: with the archive, the exit code or what was told."""
    case = bench.case()
    run = bench.run(case, action=action, at=at)
    wrong = bench.wrong_exit(run, killed=False)
    if run.code == 7 and not all(one in run.err for one in ("Disk quota exceeded", "Free some space", "disk/")):
        wrong.append(f"not told what, where and what to do: {run.err}")
    if run.code == 7 and run.err.count("\nerror: ") + run.err.startswith("error: ") != 1:
        wrong.append(f"not one error: {run.err}")
    wrong += bench.wrong(case, acknowledged(run.out))
    wrong += [f"left {one}" for one in case.rglob(".kubedossier-*")]
    shutil.rmtree(case)
    return [f"{bench.name}, {action} at call {at}: {one}" for one in wrong]


def _quotas(bench, choose):
    cases = itertools.product(range(1, bench.count() + 1), QUOTA)
    return [one for at, action in choose(cases) for one in _within_a_quota(bench, action, at)]


@pytest.mark.parametrize("name", ["first", "next", "compact", "gc", "retract", "rederive", "retry"])
def test_a_quota_that_is_used_up_is_told_like_a_full_disk(benches, name, sample):
    wrong = _quotas(benches(name), lambda cases: sample(cases, 6))
    assert not wrong, "\n".join(wrong)


def test_a_quota_that_is_used_up_is_told_like_a_full_disk_by_a_snapshot(snapshots, sample):
    wrong = _quotas(snapshots, lambda cases: sample(cases, 4))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["bundle", "report"])
def test_a_quota_that_is_used_up_leaves_the_old_file_or_a_whole_new_one(output_benches, name, sample):
    wrong = _quotas(output_benches(name, True), lambda cases: sample(cases, 4))
    assert not wrong, "\n".join(wrong)


def test_a_quota_that_is_used_up_leaves_no_part_of_an_export(benches, nursery):
    case = benches("compact").case()
    argv = ("export", "ocsf", "-o", "disk/events.ndjson")
    whole, made = nursery.run(case, *argv), case / "disk" / "events.ndjson"
    assert (whole.code, whole.calls > 3) == (0, True)
    written = made.read_bytes()
    for at, action in itertools.product(range(1, whole.calls + 1), QUOTA):
        made.unlink(missing_ok=True)
        run = nursery.run(case, *argv, action=action, at=at)
        assert run.code in (0, 7), run  # that it cannot be remembered which files are sound stops nobody
        told = f"'disk/events.ndjson'{'' if 'Cannot' in run.err else ' failed'}: Disk quota exceeded\nFree some space"
        assert run.code == 0 or told in run.err
        found = made.read_bytes() if made.exists() else None
        assert found == written or (run.code == 7 and found is None)  # the folder's sync comes after its name
        assert not list(case.rglob(".kubedossier-*"))


@pytest.mark.parametrize("blocks", [0, 1, 4, 8, 12, 16, 28])
def test_a_file_that_may_not_grow_is_a_plain_error(imports, blocks):
    case = imports.case()
    run = straced.cli(case, "import", "more.ndjson", before=("sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"))
    assert imports.wrong_exit(run, killed=False) + imports.wrong(case, acknowledged(run.out)) == []


def test_a_disk_that_fills_up_before_the_commit_is_a_plain_error(imports, sample):
    """Events are written as they come, long before the commit: the way out must not hide the first error."""
    calls = imports.count("small_row_groups")
    assert calls > imports.count() + 20
    cases = itertools.product(range(calls // 3, calls - 30), ("enospc", "torn-enospc"))
    wrong = [one for at, action in sample(cases, 8) for one in imports.disturbed(action, at, "small_row_groups")]
    assert not wrong, "\n".join(wrong)


def test_a_read_only_archive_is_a_plain_error(imports):
    case = imports.case()
    ended = _alone(READ_ONLY, case, *straced.command(case, "import", "more.ndjson"))
    assert (case / "code").read_text() == "7\n"
    assert "Read-only file system" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not imports.wrong(case, 0)


@pytest.mark.parametrize(
    "argv",
    [
        ("query", "top_users"),
        ("verify", "--deep"),
        ("status",),
        ("report", "--period", "2024-09", "-f", "json", "-o", "report.json"),
        ("bundle", "2024-09", "-o", "bundle.zip"),
        ("export", "ocsf", "-o", "events.ndjson"),
    ],
    ids=lambda argv: argv[0],
)
def test_a_read_only_archive_is_read_where_nothing_can_be_remembered_either(benches, argv):
    case = benches("compact").case()
    ended = _alone(READ_ONLY, case, *straced.command(case, *argv))
    assert (case / "code").read_text() == "0\n", ended
    assert "warning" not in ended.stderr


def test_too_many_months_for_the_open_files_are_told_as_that(imports):
    case = imports.case()
    times = [f"20{year}-{month:02d}-03T10:00:00Z" for year in range(20, 30) for month in range(1, 13)]
    records = [json.dumps({"time": time, "verb": "get", "message": "x"}) for time in times]
    (case / "months.ndjson").write_text("\n".join(records))
    limited = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    run = straced.cli(case, "import", "months.ndjson", before=limited)
    assert (run.code, "Too many open files\nAllow more open files (ulimit" in run.err) == (7, True), run
    assert not imports.wrong(case, 0)


def test_a_folder_without_permission_is_a_plain_error(imports):
    case = imports.case()
    folders = [case / "disk", *(one for one in (case / "disk").rglob("*") if one.is_dir())]
    for path in folders:
        path.chmod(0o555)
    run = straced.cli(case, "import", "more.ndjson", before=straced.unprivileged())
    for path in folders:
        path.chmod(0o755)
    assert (run.code, "Permission denied" in run.err) == (7, True)
    assert not imports.wrong(case, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_import_whose_output_cannot_be_written_says_so_and_keeps_what_it_archived(imports):
    case = imports.case()
    run = straced.cli(case, "import", "more.ndjson", before=("sh", "-c", 'exec "$@" > /dev/full', "sh"))
    assert run.code == 7
    assert run.err.startswith("error: Standard output cannot be written: No space left on device\n")
    assert not imports.wrong(case, imports.wanted_acknowledged)


@pytest.mark.parametrize("name", ["first", "compact", "gc", "retract", "rederive"])
def test_what_could_not_be_witnessed_is_told(benches, nursery, name):
    bench = benches(name)
    case = bench.case()
    shutil.rmtree(case / "disk" / "state")
    (case / "disk" / "state").write_text("no folder")
    run = nursery.run(case, *bench.argv)
    assert run.code == bench.scenario.done
    assert "warning: The archive's head could not be witnessed" in run.err


PARTS = ("", "ledger", "events", "events/month=2024-09", "rejects", "tmp", ".lock")
LOCKED_PART = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
shift
set +e
"$@"
echo $? > code
"""


def _one_plain_error(code, out, err):
    """Whether a run ended as a failure of the storage: one error with its hint, and nothing that was acknowledged."""
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    return code == 7 and len(errors) == 1 and "'" in errors[0] and not acknowledged(out) and "Errno" not in err


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_an_archive_that_is_read_only_is_a_plain_error(benches, part):
    bench = benches("next")
    case = bench.case()
    ended = _alone(LOCKED_PART, case, f"disk/A/{part}", *straced.command(case, "import", "more.ndjson"))
    assert _one_plain_error(int((case / "code").read_text()), ended.stdout, ended.stderr), ended
    assert not bench.wrong(case, 0)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o555])
def test_a_part_of_an_archive_without_permission_is_a_plain_error(benches, part, mode):
    bench = benches("next")
    case = bench.case()
    path = case / "disk" / "A" / part
    before = path.stat().st_mode
    path.chmod(mode if path.is_dir() else mode & 0o444)
    run = straced.cli(case, "import", "more.ndjson", before=straced.unprivileged())
    path.chmod(before)
    if part in ("", "events") and mode == 0o555:  # all that is written lies in the folders below
        assert run.code == bench.scenario.done
        return
    assert _one_plain_error(run.code, run.out, run.err), run
    assert not bench.wrong(case, 0)


@pytest.mark.parametrize("argv", [("import", "more.ndjson"), ("compact",), ("gc", "--yes"), ("status",), ("verify",)])
@pytest.mark.parametrize("closed", ["read-only", "file", "witness", "kubedossier", ""])
def test_a_witness_that_may_not_be_used_is_one_plain_line(benches, argv, closed):
    case = benches("compact" if argv == ("compact",) else "gc").case()
    state = case / "disk" / "state"
    file = next(state.glob("kubedossier/witness/*"))
    if closed == "read-only":
        ended = _alone(LOCKED_PART, case, str(file), *straced.command(case, *argv))
        code, err = int((case / "code").read_text()), ended.stderr
    else:
        path = file if closed == "file" else next(one for one in file.parents if one.name == (closed or "state"))
        before = path.stat().st_mode
        path.chmod(0)
        run = straced.cli(case, *argv, before=straced.unprivileged())
        code, err = run.code, run.err
        path.chmod(before)
    lines = [line for line in err.splitlines() if line.startswith(("error: ", "warning: ")) and str(state) in line]
    if argv[0] in ("status", "verify") and closed == "read-only":
        assert (code, lines) == (0, [])
        return
    assert len(lines) == 1, err
    assert (code in (0, 4)) == lines[0].startswith("warning: The archive's head could not be witnessed: "), err
    assert code in (0, 4, 7)
    assert "Errno" not in err
    assert "Traceback" not in err
