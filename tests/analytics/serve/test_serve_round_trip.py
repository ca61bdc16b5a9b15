"""The project's own client, and one that others wrote, against the served archive."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.console import Console
from kubedossier.analytics.ingest.console_address import Filters, parse_address
from kubedossier.analytics.ingest.console_login import Credentials
from kubedossier.analytics.ingest.console_plan import Wanted
from kubedossier.analytics.ingest.console_survey import survey
from kubedossier.analytics.ingest.console_trust import Trust
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.pull import Pull

LOGIN = ("reader", "s3cret:with colon")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
CONSOLE_ONLY = "select event_id, raw from records where source_format = 'console-json' order by event_id"


def snapshot(served, archive, *, basic=False, **wanted):
    console = Console(
        parse_address(served.url),
        Credentials(*LOGIN),
        basic=basic,
        trust=Trust(ca_bundle=served.tls.ca),
    )
    with console, Intake(archive, kind="snapshot") as intake:
        run = Pull(console, intake, Wanted(**wanted), survey(console), now=lambda: NOW)
        with closing(run.run()) as steps:
            for _ in steps:
                pass
        return run.outcome


@pytest.mark.parametrize("basic", [True, False])
@pytest.mark.parametrize("page_size", [7, 50, 250])
def test_a_snapshot_of_the_served_archive_holds_the_same_events(served, archive_path, basic, page_size):
    outcome = snapshot(served, archive_path, basic=basic, page_size=page_size)
    assert (outcome.new, outcome.duplicate, outcome.gaps) == (303, 0, [])
    theirs = Archive(served.archive).select(CONSOLE_ONLY, {})
    ours = Archive(archive_path).select(CONSOLE_ONLY, {})
    assert set(theirs.column("event_id").to_pylist()) < set(ours.column("event_id").to_pylist())
    assert ours.num_rows == theirs.num_rows + 1  # the raw audit log, as the Console would write it


FIRST = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"start": FIRST + timedelta(seconds=61, milliseconds=61), "end": FIRST + timedelta(seconds=200)},
        {"start": FIRST + timedelta(days=1)},
        {"end": FIRST + timedelta(seconds=100, milliseconds=101)},
    ],
)
@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(users=("user-1",)),
        Filters(users=("user-1", "jane")),
        Filters(clusters=("cluster-2",)),
        Filters(techniques=("webShell",)),
        Filters(techniques=("unheardOf",)),
        Filters(("user-1", "user-3"), ("webShell", "execIntoContainer"), ("cluster-1",)),
    ],
)
def test_each_filter_gives_the_same_set_on_both_sides(served, archive_path, filters, bounds):
    snapshot(served, archive_path, filters=filters, **bounds)
    expected = set()
    for row in Archive(served.archive).select("select * from events", {}).to_pylist():
        techniques = row["techniques_native"] if row["source_format"] == "console-json" else row["techniques"]
        if (
            (not filters.users or row["user"] in filters.users)
            and (not filters.clusters or row["cluster"] in filters.clusters)
            and (not filters.techniques or set(techniques or ()) & set(filters.techniques))
            and _within(row["time"], **bounds)
        ):
            expected.add((row["user"], row["cluster"], row["time"], row["message"]))
    found = Archive(archive_path).select('select "user", cluster, time, message from events', {}).to_pylist()
    assert {tuple(row.values()) for row in found} == expected


def _within(time: datetime | None, start: datetime | None = None, end: datetime | None = None) -> bool:
    if time is None:
        return start is None and end is None
    moment = time.replace(tzinfo=UTC)
    return (start is None or start <= moment) and (end is None or moment < end)


def test_a_client_that_others_wrote_pages_through_all_of_it(served):
    from pcpi.onprem_session_manager import CWPSessionManager

    session = CWPSessionManager("local", served.url, *LOGIN, verify=str(served.tls.ca)).create_cwp_session()
    found: list[dict] = []
    while True:
        params = {"limit": 50, "offset": len(found), "sort": "time", "reverse": "false"}
        answer = session.request("GET", "/api/v1/audits/kubernetes", params=params)
        found += answer.json() or []
        if len(found) >= int(answer.headers["Total-Count"]):
            break
    assert len(found) == 303
    assert found[0]["message"] == "event 0"
    text = session.request("GET", "/api/v1/audits/kubernetes/download", acceptCsv=True).text
    assert text.startswith("time,verb,")
