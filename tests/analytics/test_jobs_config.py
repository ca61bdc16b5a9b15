"""Jobs in the configuration: a mistake names the file, the line and what to write instead."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubedossier.analytics.config import read_config
from kubedossier.analytics.errors import UsageError

HEAD = '[console.prod]\nurl = "https://console.example"\n[[job]]\n'
SNAPSHOT = 'name = "nightly"\nrun = "snapshot"\ncron = "15 1 * * *"\n'
REPORT = 'name = "monthly-report"\nrun = "report"\ncron = "0 6 1 * *"\n'


@pytest.fixture
def read(tmp_path: Path):
    def reading(text: str):
        path = tmp_path / "kubedossier.toml"
        path.write_text(HEAD + text)
        return read_config(path)

    return reading


def test_a_job_needs_a_name_what_to_run_and_when(read):
    (job,) = read(REPORT + 'deliver = [{ directory = "out" }]').jobs
    assert (job.run, job.timezone, job.report, job.period) == ("report", "UTC", None, None)
    assert job.deliver[0].directory.name == "out"
    moment = next(job.timetable.after(datetime(2026, 10, 5, tzinfo=UTC)))
    assert f"{moment:%Y-%m-%d %H:%M}" == "2026-11-01 06:00"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (SNAPSHOT.replace("nightly", "night/ly"), 4, "'-' and '_'"),
        (SNAPSHOT.replace("snapshot", "snapshoot"), 5, "'snapshot' or 'report'"),
        (SNAPSHOT.replace("15 1", "99 1"), 6, "bad minute"),
        (SNAPSHOT + 'timezone = "Europe/Berlyn"', 7, "no time zone"),
        (SNAPSHOT + 'period = "last-month"', 7, "means nothing to a snapshot"),
        (SNAPSHOT + 'deliver = [{ directory = "x" }]', 7, "means nothing to a snapshot"),
        (REPORT + 'console = "prod"', 7, "means nothing to a report"),
        (REPORT + 'period = "2026-10"', 7, "moves with the day"),
        (REPORT + 'deliver = [{ folder = "x" }]', 7, "not a key known here"),
        (REPORT + '[report.monthly]\nperiod = "2026-10"', 5, "same period"),
        (SNAPSHOT + "[[job]]\n" + SNAPSHOT, 8, "a job before it"),
    ],
)
def test_a_mistake_in_a_job_names_its_line(read, text, line, says):
    with pytest.raises(UsageError) as caught:
        read(text)
    assert f"kubedossier.toml', line {line}:" in caught.value.message
    assert says in caught.value.message
