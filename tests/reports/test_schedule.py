"""What a schedule does by the clock: each period once, what was missed too, and nothing left behind by a failure."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import BusyError, FindingsError, IncompleteError, SourceError, StorageError
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.jobs import DeliveryConfig, JobConfig
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import verify
from kubedossier.reports.build import build
from kubedossier.reports.job_state import AtWorkError, Book
from kubedossier.reports.job_troubles import troubles_noted
from kubedossier.reports.model import Request
from kubedossier.reports.schedule import Schedule

NIGHTLY = JobConfig("nightly", "snapshot", "15 1 * * *")
MONTHLY = JobConfig("monthly", "report", "0 6 1 * *")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Hands:
    """Does the work as it is told to; a list of errors is taken from, None is success."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.errors: list[BaseException | None] = []
        self.formats = ["pdf"]

    def _work(self, what: str) -> None:
        error = self.errors.pop(0) if self.errors else None
        self.done.append(what)
        if error is not None:
            raise error

    def snapshot(self, job) -> None:
        self._work(job.name)

    def report(self, job, period, as_of, folder: Path) -> None:
        for one in self.formats:
            (folder / f"made.{one}").write_bytes(f"%{one.upper()} {period.label}".encode())
        self._work(f"{job.name} {period.label}")


class World:
    """An archive, a clock to turn, and one schedule; every call is a new process."""

    def __init__(self, root: Path, *jobs: JobConfig, now: str = "2026-10-05T00:00") -> None:
        self.root, self.jobs, self.now, self.hands = root, jobs, at(now), Hands()

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.root, self.jobs, self.hands, now=lambda: self.now)

    def due(self, moment: str | datetime | None = None, **how):
        if moment is not None:
            self.now = at(moment) if isinstance(moment, str) else moment
        before = len(self.hands.done)
        self.outcomes = list(self.schedule.due(**how))
        return self.hands.done[before:]

    def often(self, until: str):
        done = []
        while self.now < at(until):
            done += self.due(self.now + timedelta(hours=7))
        return done

    @property
    def deliveries(self):
        return [one for one in Ledger.read(self.root).entries if one["type"] == "delivery"]


@pytest.fixture
def world(archive_path):
    def made(*jobs: JobConfig, now: str = "2026-10-05T00:00") -> World:
        with Intake(archive_path, kind="import") as intake:
            intake.commit({})
        found = World(archive_path, *jobs, now=now)
        assert found.due() == []
        return found

    return made


def test_a_job_begins_with_its_next_time(world):
    it = world(NIGHTLY, MONTHLY)
    assert it.due("2026-10-05T01:14") == []
    assert it.due("2026-10-05T01:15") == ["nightly"]
    assert it.due("2026-10-05T01:15") == []
    assert it.due("2026-10-05T23:59") == []


def test_a_job_seen_a_moment_after_its_time_is_in_time(archive_path):
    assert World(archive_path, NIGHTLY).due("2026-10-05T01:20") == ["nightly"]


def test_called_often_for_a_year_each_month_is_reported_once(world):
    it = world(MONTHLY)
    done = it.often("2027-10-05T00:00")
    assert done == [f"monthly 2026-{n:02}" for n in (10, 11, 12)] + [f"monthly 2027-{n:02}" for n in range(1, 10)]
    assert [one["period"]["label"] for one in it.deliveries] == [one.split()[1] for one in done]


def test_missed_reports_are_of_the_months_that_were_missed(world):
    it = world(MONTHLY)
    assert it.due("2027-01-20T12:00") == ["monthly 2026-10", "monthly 2026-11", "monthly 2026-12"]
    assert it.due() == []


def test_missed_snapshots_are_one_and_come_before_missed_reports(world):
    it = world(MONTHLY, NIGHTLY)
    assert it.due("2026-11-20T12:00") == ["nightly", "monthly 2026-10"]


def test_a_daily_report_of_last_month_is_made_once_a_month(world):
    it = world(JobConfig("eager", "report", "0 6 * * *", period="last-month"))
    assert it.often("2026-12-03T00:00") == ["eager 2026-09", "eager 2026-10", "eager 2026-11"]


def test_of_several_missed_times_for_a_period_the_first_is_the_one_it_was_due(world):
    it = world(JobConfig("eager", "report", "0 6 * * *"))
    it.due("2026-11-04T12:00")
    assert [one["job"]["due"] for one in it.deliveries] == [
        "2026-10-05T06:00:00.000000Z",
        "2026-11-01T06:00:00.000000Z",
    ]


def test_what_stops_one_missed_report_is_not_tried_on_the_next(world):
    it = world(MONTHLY)
    it.hands.errors = [StorageError("full")]
    assert it.due("2026-12-20T00:00") == ["monthly 2026-10"]
    assert it.due() == ["monthly 2026-10", "monthly 2026-11"]


def test_no_more_than_a_year_of_missed_reports_is_caught_up(world):
    it = world(MONTHLY)
    done = it.due("2029-02-10T00:00")
    assert (len(done), done[0], done[-1]) == (12, "monthly 2028-02", "monthly 2029-01")


def test_the_thirty_first_comes_in_long_months_only(world):
    it = world(JobConfig("late", "report", "0 6 31 * *"))
    assert it.often("2027-04-02T00:00") == ["late 2026-09", "late 2026-11", "late 2026-12", "late 2027-02"]


def test_the_leap_day_has_its_report(world):
    it = world(JobConfig("leap", "report", "0 6 L 2 *"), now="2028-02-01T00:00")
    assert it.due("2028-02-29T05:59") == []
    assert it.due("2028-02-29T06:00") == ["leap 2028-01"]


@pytest.mark.parametrize(
    ("night", "hours"),
    [("2026-03-29", ["01:00"]), ("2026-10-25", ["00:30"])],
)
def test_a_night_in_which_clocks_change_has_one_snapshot(world, night, hours):
    it = world(JobConfig("nightly", "snapshot", "30 2 * * *", timezone="Europe/Berlin"), now=f"{night}T00:00")
    moments = [at(f"{night}T00:00") + timedelta(minutes=minute) for minute in range(0, 240, 10)]
    assert [f"{one:%H:%M}" for one in moments if it.due(one)] == hours


def test_a_report_in_the_east_waits_for_the_end_of_the_month_in_utc(world):
    it = world(JobConfig("tokyo", "report", "0 6 1 * *", timezone="Asia/Tokyo"))
    assert it.due("2026-10-31T21:00") == []
    assert it.due("2026-10-31T23:59") == []
    assert it.due("2026-11-01T00:00") == ["tokyo 2026-10"]


def test_a_report_in_the_west_is_of_the_month_that_ended_there(world):
    it = world(JobConfig("new-york", "report", "0 22 31 * *", timezone="America/New_York"))
    assert it.due("2026-11-01T02:00") == ["new-york 2026-09"]


def test_nothing_is_done_twice_when_the_clock_is_set_back(world):
    it = world(NIGHTLY, MONTHLY)
    assert it.due("2026-11-01T06:00") == ["nightly", "monthly 2026-10"]
    assert it.due("2026-11-01T00:30") == []
    assert it.often("2026-11-01T21:00") == []
    assert it.due("2026-11-02T01:15") == ["nightly"]


def test_a_clock_that_was_years_ahead_does_not_stop_the_schedule(world):
    it = world(NIGHTLY)
    assert it.due("2041-01-01T12:00") == ["nightly"]
    assert it.due("2026-10-06T00:00") == []
    assert it.due("2026-10-06T01:15") == ["nightly"]


def test_a_failure_met_while_the_clock_was_ahead_is_tried_again(world):
    it = world(NIGHTLY)
    it.hands.errors = [SourceError("away")] * 3
    for minute in (0, 1, 30):
        it.due(f"2026-10-06T02:{minute:02}")
    assert it.due("2026-10-06T01:30") == ["nightly"]


def test_a_failed_snapshot_is_tried_again_at_once_then_less_and_less_often(world):
    it = world(NIGHTLY)
    it.hands.errors = [SourceError("The Console is away")] * 100
    tries = [n for n in range(300) if it.due(at("2026-10-05T01:15") + timedelta(minutes=n))]
    assert tries == [0, 1, 6, 21, 81, 141, 201, 261]
    assert it.due(retry=True) == ["nightly"]
    it.hands.errors = []
    assert it.due(retry=True) == ["nightly"]
    assert it.due(retry=True) == []
    assert Book(it.root).read()["nightly"].failures == 0


def test_an_incomplete_snapshot_is_done_and_told(world):
    it = world(NIGHTLY)
    it.hands.errors = [IncompleteError("1 gap")]
    assert it.due("2026-10-05T01:15") == ["nightly"]
    assert [(one.outcome, one.error.exit_code) for one in it.outcomes] == [("incomplete", 4)]
    assert it.due("2026-10-05T01:16") == []


def test_a_report_with_findings_is_delivered_and_told(world):
    it = world(MONTHLY)
    it.hands.errors = [FindingsError("2 exceptions")]
    assert it.due("2026-11-01T06:00") == ["monthly 2026-10"]
    assert [(one.outcome, one.error.exit_code) for one in it.outcomes] == [("done", 3)]
    assert (len(it.deliveries), it.due()) == (1, [])


def test_a_busy_archive_is_no_failure(world):
    it = world(NIGHTLY)
    it.hands.errors = [BusyError("busy"), BusyError("busy")]
    assert [it.due(f"2026-10-05T01:{n}") for n in (15, 16, 17, 18)] == [["nightly"]] * 3 + [[]]


def test_a_failed_report_leaves_nothing_behind_and_the_next_call_tries_again(world, tmp_path):
    (tmp_path / "out").mkdir()
    it = world(JobConfig("monthly", "report", "0 6 1 * *", deliver=(DeliveryConfig(tmp_path / "out"),)))
    head = Ledger.read(it.root).head
    it.hands.errors = [ValueError("a bug")]
    assert it.due("2026-11-01T06:00") == ["monthly 2026-10"]
    assert [one.outcome for one in it.outcomes] == ["failed"]
    assert list((tmp_path / "out").iterdir()) == []
    assert [one.name for one in it.root.rglob("*.pdf")] == []
    assert Ledger.read(it.root).head == head
    assert it.due() == ["monthly 2026-10"]
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["monthly-2026-10.pdf"]


def test_the_failure_of_one_job_does_not_keep_another_from_its_time(world):
    it = world(NIGHTLY, MONTHLY)
    it.hands.errors = [SourceError("away"), None]
    assert it.due("2026-11-01T06:00") == ["nightly", "monthly 2026-10"]
    assert [one.outcome for one in it.outcomes] == ["failed", "done"]


def test_a_delivery_stands_in_the_ledger_with_the_documents_hash(world, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    it = world(JobConfig("monthly", "report", "0 6 1 * *", deliver=(DeliveryConfig(out),)))
    head = Ledger.read(it.root).head
    it.due("2026-11-01T06:00")
    (entry,) = it.deliveries
    data = (out / "monthly-2026-10.pdf").read_bytes()
    assert entry["file"] == {
        "name": "monthly-2026-10.pdf",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    assert (entry["as_of"]["seq"], entry["as_of"]["sha256"]) == head
    assert entry["job"]["due"] == "2026-11-01T06:00:00.000000Z"
    assert [Path(one["directory"]) for one in entry["to"]] == [it.root / "reports" / "2026-10", out]
    assert (it.root / "reports" / "2026-10" / "monthly-2026-10.pdf").read_bytes() == data
    assert verify(it.root).findings == ()


def test_a_report_in_several_formats_is_one_delivery_that_names_each(world, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    it = world(JobConfig("monthly", "report", "0 6 1 * *", deliver=(DeliveryConfig(out),)))
    it.hands.formats = ["html", "pdf", "json"]
    it.due("2026-11-01T06:00")
    (entry,) = it.deliveries
    named = [entry["file"], *entry["also"]]
    assert [one["name"].split(".")[-1] for one in named] == ["pdf", "html", "json"]
    for one in named:
        assert one["sha256"] == hashlib.sha256((out / one["name"]).read_bytes()).hexdigest()
    assert [Path(one["directory"]) for one in entry["to"]] == [it.root / "reports" / "2026-10", out]
    assert len(it.outcomes[0].paths) == 6
    assert not list(it.root.rglob("*.draft*"))
    assert verify(it.root).findings == ()


def test_a_ledger_that_cannot_be_written_takes_the_copies_back(world, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "monthly-2026-10.pdf").write_bytes(b"of before")
    it = world(JobConfig("monthly", "report", "0 6 1 * *", deliver=(DeliveryConfig(out),)))

    def full(*_: object, **__: object) -> None:
        raise StorageError("The disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "append", full)
        it.due("2026-11-01T06:00")
    assert [str(one.error) for one in it.outcomes] == ["The disk is full"]
    assert {one.name: one.read_bytes() for one in out.iterdir()} == {"monthly-2026-10.pdf": b"of before"}
    assert it.due() == ["monthly 2026-10"]
    assert {one.name: one.read_bytes() for one in out.iterdir()} == {"monthly-2026-10.pdf": b"%PDF 2026-10"}


def test_a_process_killed_after_the_delivery_does_not_deliver_twice(world):
    it = world(MONTHLY)
    before = Book(it.root).read()
    it.due("2026-11-01T06:00")
    with Book(it.root).held():
        Book(it.root).write(before)
    assert it.due() == []
    assert len(it.deliveries) == 1


def test_a_process_killed_in_a_job_counts_as_a_failure_and_is_tried_again(world):
    it = world(NIGHTLY)

    class Killed(BaseException):
        pass

    it.hands.errors = [Killed()]
    with pytest.raises(Killed):
        it.due("2026-10-05T01:15")
    assert Book(it.root).read()["nightly"].last.outcome == "running"
    assert it.due("2026-10-05T01:16") == ["nightly"]


def test_an_interrupted_job_is_taken_up_again_at_once(world):
    it = world(NIGHTLY)
    it.hands.errors = [KeyboardInterrupt(), KeyboardInterrupt()]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            it.due("2026-10-05T01:15")
    assert Book(it.root).read()["nightly"].last.outcome == "interrupted"
    assert it.due() == ["nightly"]


def test_without_the_state_the_ledger_tells_which_reports_are_missing(world):
    it = world(MONTHLY)
    it.due("2026-11-01T06:00")
    (it.root / "reports" / ".schedule" / "jobs.json").unlink()
    assert it.due("2027-01-20T12:00") == ["monthly 2026-11", "monthly 2026-12"]


@pytest.mark.parametrize("text", ["", "{", '{"format": 2, "jobs": {}}', '{"format": 1}'])
def test_a_damaged_state_is_an_error_and_not_a_fresh_start(world, text):
    it = world(NIGHTLY)
    (it.root / "reports" / ".schedule" / "jobs.json").write_text(text)
    with pytest.raises(StorageError, match=r"jobs\.json"):
        it.due("2026-10-05T01:15")
    assert it.hands.done == []


def test_two_at_once_do_the_work_once(world):
    it = world(NIGHTLY, JobConfig("second", "snapshot", "15 1 * * *"))
    it.now = at("2026-10-05T01:15")
    first = it.schedule.due()
    next(first)
    with pytest.raises(AtWorkError):
        list(it.schedule.due())
    assert [one.due.job.name for one in first] == ["second"]
    assert it.hands.done == ["nightly", "second"]


def test_new_times_count_from_the_change_on(world):
    it = world(NIGHTLY)
    it.due("2026-10-05T01:15")
    it.jobs = (JobConfig("nightly", "snapshot", "0 * * * *"),)
    assert it.due("2026-10-20T09:30") == []
    assert it.due("2026-10-20T10:00") == ["nightly"]


def test_the_ledger_tells_a_report_which_snapshots_fail(world):
    it = world(NIGHTLY, MONTHLY)
    it.hands.errors = [SourceError("The Console is away")] * 2 + [None]
    it.due("2026-10-31T01:15")
    it.due("2026-11-01T06:00")
    (trouble,) = troubles_noted(Ledger.read(it.root).entries)
    assert trouble.words == "The snapshot job nightly failed 2 times in a row since 2026-10-31 01:15 UTC"
    assert trouble.reason == "The Console is away"
    (entry,) = it.deliveries
    assert troubles_noted(Ledger.read(it.root).up_to(entry["as_of"]["seq"]).entries) == (trouble,)
    period = parse_period("2026-10", now=at("2026-11-01T06:00"))
    report = build(Archive(it.root, as_of=entry["as_of"]["seq"]), period, Request())
    found = next(one for one in report.findings if one.rule == "failing-snapshots")
    assert (found.rating, found.title) == ("exception", f"{trouble.words}.")
    assert "the snapshot job nightly failed 2 times in a row" in report.lead[2]
    it.due("2026-12-01T06:00")
    assert troubles_noted(Ledger.read(it.root).entries) == ()
    later = build(Archive(it.root), period, Request())
    assert "failing-snapshots" not in [one.rule for one in later.findings]


def test_a_period_that_ends_today_does_not_wait_for_tomorrow(world):
    it = world(JobConfig("rolling", "report", "0 6 * * *", period="7d"))
    assert it.due("2026-10-05T06:00") == ["rolling 2026-09-29..2026-10-05"]


class Clock:
    """Turns the world's clock instead of waiting."""

    def __init__(self, world: World, until: str) -> None:
        self.world, self.until, self.pauses = world, at(until), []

    def now(self) -> datetime:
        return self.world.now

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.world.now += timedelta(seconds=seconds)
        return self.world.now >= self.until


def test_in_the_foreground_each_job_runs_at_its_time_until_it_is_stopped(world):
    it = world(NIGHTLY, now="2026-10-05T00:00:30")
    clock = Clock(it, "2026-10-07T00:00")
    times = [f"{it.now:%d %H:%M:%S} {done.outcome}" for done in it.schedule.run(clock)]
    assert times == ["05 01:15:00 done", "06 01:15:00 done"]
    assert max(clock.pauses) == 60


def test_in_the_foreground_a_busy_archive_is_not_asked_without_a_pause(world):
    it = world(NIGHTLY)
    it.hands.errors = [BusyError("busy")] * 1000
    clock = Clock(it, "2026-10-05T01:20")
    assert len(list(it.schedule.run(clock))) == 5


def test_in_the_foreground_another_process_at_work_is_let_be(world):
    it = world(NIGHTLY)
    with Book(it.root).held():
        assert list(it.schedule.run(Clock(it, "2026-10-05T03:00"))) == []


def test_the_state_is_readable_json_with_utc_times(world):
    it = world(NIGHTLY)
    it.due("2026-10-05T01:15")
    found = json.loads((it.root / "reports" / ".schedule" / "jobs.json").read_text())
    assert found["jobs"]["nightly"]["since"] == "2026-10-05T01:15:00Z"
