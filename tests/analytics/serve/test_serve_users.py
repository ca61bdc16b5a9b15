"""The users file: hashes instead of passwords, one mistake told by its line, and logins that work."""

from __future__ import annotations

import pytest

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.serve import auth
from kubedossier.analytics.serve.auth import Access, Account, RefusedError
from kubedossier.analytics.serve.users import PasswordHash, read_users, user_line

PATH = "/api/v33.01/audits/kubernetes"
# RFC 7914, section 12: P="pleaseletmein", S="SodiumChloride", N=16384, r=8, p=1.
VECTOR = (
    "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
    "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
)


def cheap(password: str) -> PasswordHash:
    return PasswordHash.of(password, log_n=4, r=1, p=1)


@pytest.fixture
def users(tmp_path):
    """A file of two users."""
    path = tmp_path / "users"
    path.write_text(f"# who may read\n\nann:{cheap('pässword: 1')}\nbob@example.com:{cheap('two')}\n")
    return path


def test_the_hash_is_scrypt_as_others_know_it():
    known = PasswordHash.read(VECTOR)
    assert known.fits("pleaseletmein")
    assert not known.fits("pleaseletmeout")
    assert str(known) == VECTOR


def test_a_hash_survives_the_file_and_its_salt_is_fresh():
    one, other = PasswordHash.of("geheim"), PasswordHash.of("geheim")
    assert str(one) != str(other)
    assert PasswordHash.read(str(one)) == one
    assert PasswordHash.read(str(one)).fits("geheim")
    assert (one.log_n, one.r, one.p, len(one.salt), len(one.digest)) == (14, 8, 5, 16, 32)


def test_each_user_gets_in_with_the_own_password_only(serving, filled, users):
    with serving(filled, accounts=read_users(users)) as served:

        def status(*login: str) -> int:
            return served.get(auth=login).status_code

        assert [status("ann", "pässword: 1"), status("bob@example.com", "two")] == [200, 200]
        assert [status("ann", "two"), status("nobody", "two"), status("ann", "")] == [401, 401, 401]
        answer = served.http.post("/api/v1/authenticate", json={"username": "ann", "password": "pässword: 1"})
        bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert served.http.get(PATH, headers=bearer, auth=None).status_code == 200


class Counted:
    """A hash that counts how often it was worked through."""

    def __init__(self, password: str) -> None:
        self.password, self.times = password, 0

    def fits(self, password: str) -> bool:
        self.times += 1
        return password == self.password


def test_a_right_password_is_hashed_once_and_a_wrong_one_each_time():
    hashed = Counted("right")
    access = Access((Account("ann", hashed),))
    for _ in range(5):
        access.log_in("ann", "right")
    assert hashed.times == 1
    for _ in range(3):
        with pytest.raises(RefusedError):
            access.log_in("ann", "wrong")
    assert hashed.times == 4
    access.log_in("ann", "right")
    assert hashed.times == 4


def test_who_is_unknown_costs_a_hash_and_stays_unknown():
    hashed = Counted("right")
    access = Access((Account("ann", hashed),))
    for _ in range(2):
        with pytest.raises(RefusedError):
            access.log_in("nobody", "right")
    assert hashed.times == 2


def test_a_flood_of_logins_is_sent_away_and_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(auth, "_HASH_WAIT_S", 0.0)
    under_way = []

    class Crowded(Counted):
        """While it is worked through, another login comes, and another while that one is."""

        def fits(self, password: str) -> bool:
            under_way.append(password)
            access.log_in("ann", password)
            return True

    account = Crowded("right")
    access = Access((Account("ann", account),))
    for _ in range(2):
        with pytest.raises(RefusedError) as error:
            access.log_in("ann", "right")
        assert error.value.status == 429
    assert len(under_way) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ann:geheim\n", "line 1: no hash of the form"),
        ("# x\n\nann\n", "line 3: no hash of the form"),
        (f":{VECTOR}\n", "line 1: no name"),
        (f"a b:{VECTOR}\n", "line 1: no name"),
        (f"ann:{VECTOR}\nann:{VECTOR}\n", "line 2: 'ann' is there already"),
        (f"ann:{VECTOR.replace('ln=14', 'ln=31')}\n", "line 1: the cost"),
        (f"ann:{VECTOR.replace('ln=14', 'ln=0')}\n", "line 1: the cost"),
        ("ann:$scrypt$ln=4,r=8,p=1$c2FsdA$c2hvcnQ\n", "line 1: its hash is too short"),
        ("ann:$scrypt$ln=4,r=8,p=1$c2FsdA$abcde\n", "line 1: its salt or hash is no Base64"),
        ("# nobody\n", "names no user"),
        ("", "names no user"),
    ],
)
def test_a_mistake_is_told_by_its_line(tmp_path, text, told):
    path = tmp_path / "users"
    path.write_text(text)
    with pytest.raises(UsageError, match=told) as error:
        read_users(path)
    assert "--hash-password" in error.value.hint


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff")
    for name in ("absent", "binary"):
        with pytest.raises(UsageError, match="Cannot read the users"):
            read_users(tmp_path / name)


@pytest.mark.parametrize(("name", "password"), [("", "x"), ("a:b", "x"), ("a b", "x"), ("a\n", "x"), ("ann", "")])
def test_what_cannot_log_in_gets_no_line(name, password):
    with pytest.raises(UsageError):
        user_line(name, password)
