"""What ``doctor`` asks a Console: step by step, the first that fails named with its remedy, and no secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubedossier.analytics.ingest.console_health import examine
from kubedossier.analytics.ingest.console_login import Credentials
from kubedossier.analytics.ingest.console_pace import Patience
from kubedossier.analytics.ingest.console_trust import Trust

SECRET = "a-wrong-password"


def checks(console, *, now=None, **options):
    with console.client(**options) as client:
        return list(examine(client, now=now or datetime.now(UTC)))


def test_a_sound_console_passes_every_step(console, event):
    console.events = [event(1), event(2)]
    found = checks(console)
    assert [(one.topic, one.state) for one in found] == [
        ("address", "ok"),
        ("clock", "ok"),
        ("login", "ok"),
        ("events", "ok"),
    ]
    assert "trusted certificate" in found[0].found
    assert "'auditor' is let in (bearer)" in found[2].found
    assert found[3].found == ("Console 33.01.137, API v33.01: 2 events may be read, the oldest of 2026-10-01 00:01 UTC")


def test_a_console_without_counts_and_events_is_sound(console):
    console.counts = False
    assert checks(console)[-1].found.endswith("events may be read; it gives no count of them")
    console.counts = True
    assert checks(console)[-1].found.endswith("0 events may be read")


def test_a_refused_login_is_told_without_the_secret_though_the_console_repeats_it(console):
    found = checks(console, credentials=Credentials("auditor", SECRET))
    assert (found[-1].topic, found[-1].state) == ("login", "failed")
    assert "refused the login (401" in found[-1].found
    assert "KUBEDOSSIER_PASSWORD" in found[-1].next
    assert SECRET not in repr(found)


def test_a_missing_permission_is_named(console):
    console.fault_for_ever = 403
    failed = checks(console)[-1]
    assert (failed.topic, failed.state) == ("events", "failed")
    assert "monitorAccessKubernetes" in failed.next


def test_an_api_version_the_console_has_not_is_named(console):
    console.fault_for_ever = 404
    assert "--api-version" in checks(console)[-1].next


def test_a_certificate_that_is_not_trusted_ends_it_before_the_login(console):
    (failed,) = checks(console, trust=Trust())
    assert (failed.topic, failed.state) == ("address", "failed")
    assert "--ca-bundle" in failed.next
    assert console.logins == 0


def test_a_certificate_that_is_not_checked_is_a_warning(console):
    first = checks(console, trust=Trust(insecure=True))[0]
    assert (first.state, first.found.endswith("its certificate is not checked")) == ("warning", True)


def test_nobody_there_ends_it(console):
    url = console.url
    console.close()
    (failed,) = checks(console, url=url, patience=Patience(first_s=5.0))
    assert (failed.topic, failed.state) == ("address", "failed")
    assert "gave no answer in" in failed.found


@pytest.mark.parametrize(("hours", "said"), [(2, "ahead"), (-2, "behind")])
def test_clocks_that_are_apart_are_a_warning(console, hours, said):
    found = checks(console, now=datetime.now(UTC) + timedelta(hours=hours))
    clock = next(one for one in found if one.topic == "clock")
    assert (clock.state, said in clock.found) == ("warning", True)
    assert clock.next.startswith("Set both clocks")
