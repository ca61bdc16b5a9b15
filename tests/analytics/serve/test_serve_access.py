"""Who is let in, what is refused, and how the server speaks TLS."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509

from kubedossier.analytics.errors import StorageError, UsageError
from kubedossier.analytics.serve.app import build_app
from kubedossier.analytics.serve.auth import Access, Account
from kubedossier.analytics.serve.certificates import ServerTls, own_certificate
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.running import running

LOGIN = ("reader", "s3cret:with colon")
PATH = "/api/v33.01/audits/kubernetes"
PROTECTED = [PATH, PATH + "/download", "/api/v1/version", "/api/v33.01/authenticate/renew"]


def token(served, login=LOGIN, version="v1") -> str:
    answer = served.http.post(
        f"/api/{version}/authenticate", json={"username": login[0], "password": login[1]}, auth=None
    )
    assert answer.status_code == 200
    return answer.json()["token"]


def ask(served, path=PATH, authorization=None) -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    with httpx.Client(
        base_url=served.url, verify=ssl.create_default_context(cafile=served.tls.ca), trust_env=False
    ) as http:
        return http.get(path, headers=headers)


@pytest.mark.parametrize("version", ["v1", "v33.01", "v22.12", "v34.02.133"])
def test_every_version_answers_alike(served, version):
    bearer = token(served, version=version)
    answer = ask(served, f"/api/{version}/audits/kubernetes", f"Bearer {bearer}")
    assert answer.content == served.get().content
    assert ask(served, f"/api/{version}/version", f"Bearer {bearer}").json() == "33.01.137"


@pytest.mark.parametrize("path", ["/api/v/audits/kubernetes", "/api/x1/audits/kubernetes", "/api/v1/hosts", "/"])
def test_what_is_not_there_is_404_in_the_consoles_words(served, path):
    answer = served.get(path=path)
    assert (answer.status_code, list(answer.json())) == (404, ["err"])


@pytest.mark.parametrize("path", ["/_ping", "/api/v33.01/_ping"])
def test_a_ping_needs_no_login(served, path):
    assert ask(served, path).status_code == 200


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"reader").decode(),
        "Basic " + base64.b64encode(b"reader:wrong").decode(),
        "Basic " + base64.b64encode(b"nobody:").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Bearer",
        "Bearer a.b.c",
        "Bearer ..",
        "Digest x",
    ],
)
def test_without_a_valid_login_nothing_is_answered(served, path, authorization):
    answer = ask(served, path, authorization)
    assert answer.status_code == 401
    assert list(answer.json()) == ["err"]


def test_basic_and_bearer_both_open(served):
    basic = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
    assert ask(served, authorization=basic).status_code == 200
    assert ask(served, authorization=f"Bearer {token(served)}").status_code == 200


def test_a_token_has_three_parts_and_says_when_it_ends(served):
    parts = token(served).split(".")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    assert len(parts) == 3
    assert claims["exp"] - claims["iat"] == 1800


def test_a_token_ends_after_half_an_hour_and_can_be_renewed_before(served):
    bearer = f"Bearer {token(served)}"
    served.clock["now"] += 1799
    fresh = ask(served, "/api/v1/authenticate/renew", bearer).json()["token"]
    served.clock["now"] += 1
    assert ask(served, authorization=bearer).status_code == 401
    assert ask(served, authorization=f"Bearer {fresh}").status_code == 200


def test_a_changed_token_is_refused(served):
    header, claims, signature = token(served).split(".")
    forged = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"exp": 9_999_999_999}
    middle = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for changed in (f"{header}.{middle}.{signature}", f"{unsigned}.{middle}.", f"{header}.{claims}."):
        assert ask(served, authorization=f"Bearer {changed}").status_code == 401


def test_a_token_of_another_server_is_refused(served, serving, filled):
    with serving(filled) as other:
        bearer = token(other)
    assert ask(served, authorization=f"Bearer {bearer}").status_code == 401


def test_a_login_without_the_permission_gets_403(served):
    bearer = token(served, ("intern", "x"))
    assert ask(served, authorization=f"Bearer {bearer}").status_code == 403
    assert ask(served, "/api/v1/version", f"Bearer {bearer}").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"username":"reader","password":"wrong"}', 401),
        (b'{"username":"reader"}', 400),
        (b'{"username":1,"password":2}', 400),
        (b"[]", 400),
        (b"no json", 400),
        (b"[" * 50_000, 400),
        (b" " * 70_000, 413),
    ],
)
def test_a_bad_login_is_refused(served, body, status):
    answer = served.http.post("/api/v1/authenticate", content=body)
    assert (answer.status_code, list(answer.json())) == (status, ["err"])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [PATH, PATH + "/download", "/api/v1/version", "/_ping"])
def test_nothing_can_be_changed(served, method, path):
    assert served.http.request(method, path).status_code == 405


def test_head_answers_the_count_without_a_body(served):
    answer = served.http.head(PATH)
    assert (answer.status_code, answer.headers["Total-Count"], answer.content) == (200, "303", b"")


def test_without_a_login_this_machine_may_read(serving, filled):
    with serving(filled, accounts=()) as served:
        assert ask(served).status_code == 200
        assert ask(served, authorization=f"Bearer {token(served, ('any', 'thing'))}").status_code == 200


@pytest.mark.parametrize("path", [*PROTECTED, "/_ping"])
def test_without_a_login_a_foreign_host_name_is_refused(serving, filled, path):
    with serving(filled, accounts=()) as served:
        answer = served.get(path=path, headers={"Host": "rebound.example:8083"})
        assert answer.status_code == 403


def test_an_archive_that_cannot_be_read_is_told_and_not_shown_as_empty(serving, add, make_audit, archive_path):
    add(archive_path, [make_audit(1)])
    with serving(archive_path) as served:
        for file in (archive_path / "events").rglob("*.parquet"):
            file.unlink()
        answer = served.get()
        assert (answer.status_code, list(answer.json())) == (500, ["err"])
        assert str(archive_path) in str(served.errors[0])


def test_answers_are_not_kept_by_caches(served):
    for path in (PATH, PATH + "/download"):
        assert served.get(path=path).headers["Cache-Control"] == "no-store"


def test_there_must_be_an_archive(tmp_path):
    with pytest.raises(StorageError, match="no archive"):
        Pages(tmp_path)


def test_old_tls_is_not_spoken(served):
    context = ssl.create_default_context(cafile=str(served.tls.ca))
    host, port = served.url.removeprefix("https://").split(":")
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        assert tls.version() in ("TLSv1.2", "TLSv1.3")


def test_the_own_certificate_holds_for_loopback_and_its_key_is_private(tmp_path):
    tls = own_certificate(tmp_path / "tls")
    leaf = x509.load_pem_x509_certificate(tls.cert.read_bytes())
    held = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert held.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(one) for one in held.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert tls.key.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in (tmp_path / "tls").iterdir()) == ["ca.pem", "server-key.pem", "server.pem"]


def test_the_own_certificate_is_kept_until_it_nears_its_end(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    first = own_certificate(tmp_path, now=now).cert.read_bytes()
    assert own_certificate(tmp_path, now=now + timedelta(days=300)).cert.read_bytes() == first
    assert own_certificate(tmp_path, now=now + timedelta(days=380)).cert.read_bytes() != first


def test_the_own_certificate_is_made_anew_for_another_name_or_when_it_is_broken(tmp_path):
    first = own_certificate(tmp_path).cert.read_bytes()
    named = own_certificate(tmp_path, names=("localhost", "dossier.example")).cert.read_bytes()
    assert named != first
    (tmp_path / "ca.pem").write_text("broken")
    assert own_certificate(tmp_path, names=("localhost",)).cert.read_bytes() != named


def test_a_port_in_use_is_said(served, filled):
    port = int(served.url.rpartition(":")[2])
    with (
        pytest.raises(UsageError, match=f"port {port}"),
        running(build_app(Pages(filled), Access()), tls=None, port=port),
    ):
        pass


def test_a_certificate_that_is_none_is_said(filled, tmp_path):
    (tmp_path / "x.pem").write_text("nothing")
    tls = ServerTls(tmp_path / "x.pem", tmp_path / "x.pem")
    with pytest.raises(UsageError, match=r"x\.pem"), running(build_app(Pages(filled), Access()), tls=tls):
        pass


def test_a_password_is_in_no_repr():
    assert "s3cret" not in repr(Account(*LOGIN))
