"""The client: patient, exact, and never careless with a login."""

from __future__ import annotations

import base64

import pytest

from kubedossier.analytics.errors import SourceError, UsageError
from kubedossier.analytics.ingest.console_address import Filters, Query, parse_address
from kubedossier.analytics.ingest.console_login import Credentials, token_life_s
from kubedossier.analytics.ingest.console_pace import Patience
from kubedossier.analytics.ingest.console_trust import Trust

FAULTS = [
    500,
    502,
    503,
    429,
    408,
    204,
    206,
    "drop",
    "html",
    "web_page_as_json",
    "truncated",
    "short",
    "object",
    "empty",
    "broken_gzip",
]


def test_a_page_has_the_exact_bytes_of_each_event(console, event):
    console.events = [event(1), event(2, note="é \\u00e9  kept")]
    with console.client() as client:
        page = client.page(Query())
    assert page.rows == tuple(console.events)
    assert page.total == 2


def test_null_is_an_empty_page(console):
    with console.client() as client:
        page = client.page(Query())
    assert (page.rows, page.total) == ((), 0)


def test_a_missing_count_is_no_count(console, event):
    console.events, console.counts = [event(1)], False
    with console.client() as client:
        assert client.page(Query()).total is None


def test_lists_are_repeated_keys_and_booleans_lower_case(console):
    filters = Filters(("cn=a,dc=b", "system:serviceaccount:x:y"), ("webShell",), ("one", "two"))
    with console.client(project="tenant/1") as client:
        client.page(Query(filters, 1_790_812_800_000_500, 1_790_812_801_000_500).backwards(), offset=7, limit=9)
    assert console.requests == [
        {
            "from": ["2026-10-01T00:00:00.000Z"],
            "to": ["2026-10-01T00:00:01.001Z"],
            "user": ["cn=a,dc=b", "system:serviceaccount:x:y"],
            "attackTechniques": ["webShell"],
            "cluster": ["one", "two"],
            "sort": ["time"],
            "reverse": ["true"],
            "offset": ["7"],
            "limit": ["9"],
            "project": ["tenant/1"],
        }
    ]


def test_a_path_in_the_base_url_is_kept(console):
    with console.client(url=console.url + "/us-1-123456/") as client:
        client.page(Query())
    assert console.paths == [
        "/us-1-123456/api/v33.01/authenticate",
        "/us-1-123456/api/v33.01/audits/kubernetes",
    ]


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://Console.Example:8083/", "https://console.example:8083"),
        ("https://console.example:443", "https://console.example"),
        (" https://c.example/us-1/api/v1 ", "https://c.example/us-1"),
        ("https://[2001:db8::1]:8083", "https://[2001:db8::1]:8083"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_the_base_url_is_one_whatever_its_spelling(url, base):
    assert parse_address(url).base == base


@pytest.mark.parametrize(
    "url",
    [
        "http://console.example",
        "http://127.0.0.1.example",
        "https://user:secret@console.example",
        "https://console.example?x=1",
        "https://console.example#x",
        "ftp://console.example",
        "console.example:8083",
        "https://",
        "https://a b",
        "https://console.example:port",
    ],
)
def test_an_address_that_is_unsafe_or_unclear_is_refused(url):
    with pytest.raises(UsageError) as error:
        parse_address(url)
    assert "secret" not in error.value.message


def test_a_project_is_a_population_of_its_own():
    assert parse_address("https://c.example", project="a b").name == "https://c.example?project=a%20b"


def test_a_login_gets_a_token_once(console, event):
    console.events = [event(1)]
    with console.client() as client:
        for _ in range(3):
            client.page(Query())
    assert console.logins == 1
    assert {headers["Authorization"].split(".")[0] for headers in console.headers} == {"Bearer e30"}


def test_basic_is_sent_with_each_call(console):
    with console.client(basic=True) as client:
        client.page(Query())
    assert console.logins == 0
    assert console.headers[0]["Authorization"].startswith("Basic ")


def test_a_ready_token_is_used_as_it_is(console):
    console.tokens.add("opaque")
    with console.client(credentials=Credentials(token="opaque")) as client:
        client.page(Query())
    assert (console.logins, console.headers[0]["Authorization"]) == (0, "Bearer opaque")


def test_a_token_is_renewed_before_it_ends(console):
    console.token_life_s = 300
    with console.client() as client:
        client.page(Query())
        console.clock.now += 230
        client.page(Query())
        assert console.logins == 1
        console.clock.now += 20
        client.page(Query())
    assert console.logins == 2
    assert len(console.requests) == 3  # no request was sent with the old one


def test_a_token_that_ends_early_is_renewed_and_the_page_asked_again(console, event):
    console.events = [event(1)]
    with console.client() as client:
        client.page(Query())
        console.tokens.clear()
        assert client.page(Query()).rows == (event(1),)
    assert console.logins == 2


def test_a_token_that_is_never_taken_is_an_error_and_no_endless_login(console):
    with console.client() as client:
        client.page(Query())
        console.issue = lambda: "e30.e30.never"
        console.tokens.clear()
        with pytest.raises(SourceError, match="401"):
            client.page(Query())
    assert console.paths.count("/api/v33.01/authenticate") == 2


def test_the_life_of_a_fresh_token_does_not_depend_on_the_local_clock():
    claims = base64.urlsafe_b64encode(b'{"iat": 1000, "exp": 2800}').decode().rstrip("=")
    assert token_life_s(f"e30.{claims}.x", now=999_999, fresh=True) == 1800
    assert token_life_s(f"e30.{claims}.x", now=2500, fresh=False) == 300
    assert token_life_s("opaque", now=0, fresh=True) is None
    assert token_life_s("a.!!!.c", now=0, fresh=True) is None


def test_a_refused_login_says_what_to_do_and_hides_the_password(console):
    with (
        console.client(credentials=Credentials("auditor", "wrong-secret")) as client,
        pytest.raises(SourceError, match="refused the login") as error,
    ):
        client.page(Query())
    assert "KUBEDOSSIER_PASSWORD" in error.value.hint
    assert "wrong-secret" not in error.value.message
    assert "wrong-secret" not in repr(client.login._credentials)


def test_a_missing_permission_is_named(console):
    console.fault_for_ever = 403
    with console.client() as client, pytest.raises(SourceError) as error:
        client.page(Query())
    assert "monitorAccessKubernetes" in error.value.hint
    assert len(console.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_will_not_get_better_is_not_tried_again(console, status):
    console.fault_for_ever = status
    with console.client() as client, pytest.raises(SourceError, match=str(status)):
        client.page(Query())
    assert len(console.requests) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_costs_a_second_try_and_no_event(console, event, fault):
    console.events = [event(1), event(2)]
    console.faults.extend([fault, fault])
    with console.client() as client:
        assert client.page(Query()).rows == tuple(console.events)
    assert len(console.requests) == 3


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_an_error_and_never_an_empty_page(console, event, fault):
    console.events = [event(1), event(2)]
    console.fault_for_ever = fault
    with console.client() as client, pytest.raises(SourceError, match="tries"):
        client.page(Query())
    assert sum(console.clock.slept) <= 600


def test_delays_grow_up_to_a_ceiling(console):
    console.faults.extend([500] * 9)
    with console.client() as client:
        client.page(Query())
    assert console.clock.slept == [0.375, 0.75, 1.5, 3.0, 6.0, 12.0, 22.5, 22.5, 22.5]


def test_retry_after_in_seconds_is_honoured(console):
    console.faults.append(429)
    console.retry_after = "17"
    with console.client() as client:
        client.page(Query())
    assert console.clock.slept[0] == pytest.approx(17 * 1.05)


def test_retry_after_as_a_date_is_honoured(console, http_date):
    console.faults.append(503)
    console.retry_after = http_date(console.clock, 40)
    with console.client() as client:
        client.page(Query())
    assert console.clock.slept[0] == pytest.approx(40 * 1.05, abs=2)


@pytest.mark.parametrize("text", ["99999999999", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_retry_after_is_cut_to_what_is_bearable(console, text):
    console.faults.append(429)
    console.retry_after = text
    with console.client() as client:
        client.page(Query())
    assert console.clock.slept[0] <= 120 * 1.1


@pytest.mark.parametrize("text", ["soon", "-5", "", "1e9"])
def test_retry_after_that_makes_no_sense_is_left_out(console, text):
    console.faults.append(429)
    console.retry_after = text
    with console.client() as client:
        client.page(Query())
    assert console.clock.slept[0] == 0.375


def test_too_many_requests_lets_fewer_through_and_successes_more_again(console):
    console.faults.append(429)
    with console.client(connections=4) as client:
        client.page(Query())
        assert client.throttle.allowed == 2
        for _ in range(100):
            client.page(Query())
        assert client.throttle.allowed == 4


def test_before_the_first_answer_patience_is_short(console):
    console.fault_for_ever = 500
    with console.client(patience=Patience(first_s=10)) as client, pytest.raises(SourceError):
        client.page(Query())
    assert sum(console.clock.slept) < 10


def test_a_redirect_to_another_host_is_refused_and_the_login_stays(console, second_console):
    console.faults.append(302)
    with (
        console.client() as client,
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SourceError, match="not carried there"),
    ):
        _redirect_to(patch, second_console.url + "/api/v33.01/audits/kubernetes")
        client.page(Query())
    assert second_console.paths == []


def test_a_redirect_on_the_same_host_is_followed(console, event):
    console.events = [event(1)]
    console.faults.append(307)
    with console.client() as client, pytest.MonkeyPatch.context() as patch:
        _redirect_to(patch, "/moved/audits/kubernetes?offset=0&limit=50&sort=time&reverse=false")
        assert client.page(Query()).rows == (event(1),)
    assert console.paths[-1] == "/moved/audits/kubernetes"


def test_redirects_in_a_circle_end(console):
    console.fault_for_ever = 302
    with (
        console.client() as client,
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SourceError, match="circle"),
    ):
        _redirect_to(patch, "/api/v33.01/audits/kubernetes?offset=0&limit=1")
        client.page(Query())
    assert len(console.requests) < 10


def _redirect_to(patch, location: str) -> None:
    from http.server import BaseHTTPRequestHandler

    plain = BaseHTTPRequestHandler.send_response

    def send_response(self, code, message=None):
        plain(self, code, message)
        if 300 <= code < 400:
            self.send_header("Location", location)

    patch.setattr(BaseHTTPRequestHandler, "send_response", send_response)


def test_an_unknown_authority_is_refused_with_the_way_out(console):
    with console.client(trust=Trust()) as client, pytest.raises(SourceError, match="not trusted") as error:
        client.page(Query())
    assert "--ca-bundle" in error.value.hint
    assert console.paths == []


def test_insecure_takes_any_certificate_and_its_fingerprint_is_known(console):
    with console.client(trust=Trust(insecure=True)) as client:
        client.page(Query())
        assert len(client.certificate_sha256) == 64


def test_the_certificate_alone_may_be_the_bundle(console):
    with console.client(trust=Trust(ca_bundle=console.tls.cert)) as client:
        assert client.page(Query()).total == 0


def test_a_bundle_that_is_none_is_named(console, tmp_path):
    (tmp_path / "x.pem").write_text("no certificate")
    for trust in (Trust(ca_bundle=tmp_path / "x.pem"), Trust(client_cert=tmp_path / "x.pem")):
        with pytest.raises(UsageError, match=r"x\.pem"):
            console.client(trust=trust)


def test_a_body_beyond_the_limit_is_an_error_not_a_flood(console, event):
    console.events = [event(1, message="x" * 100_000)]
    with console.client(body_limit_bytes=50_000) as client, pytest.raises(SourceError, match="body of more than"):
        client.page(Query())


def test_a_compressed_page_is_the_page(console, event):
    console.events = [event(1), event(2)]
    console.faults.append("gzip")
    with console.client() as client:
        assert client.page(Query()).rows == tuple(console.events)
    assert console.headers[0]["Accept-Encoding"] == "gzip"


def test_a_body_that_swells_beyond_the_limit_is_an_error(console):
    console.faults.append("bomb")
    with console.client(body_limit_bytes=1_000_000) as client, pytest.raises(SourceError, match="body of more than"):
        client.page(Query())


def test_proxies_are_not_asked_for_this_machine(console, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with console.client() as client:
        assert client.page(Query()).total == 0


def test_a_console_that_echoes_the_token_does_not_leak_it(console):
    console.fault_for_ever = 500
    console.echo = "e30.e30.very-secret"
    console.issue = lambda: console.tokens.add(console.echo) or console.echo
    with console.client() as client, pytest.raises(SourceError, match="500") as error:
        client.page(Query())
    assert "very-secret" not in error.value.message


def test_the_version_is_asked_and_its_absence_is_no_error(console):
    with console.client() as client:
        assert client.version() == "33.01.137"
