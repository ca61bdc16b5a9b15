"""Who is new, counted column by column: each row alone gives the same."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports import access_tables
from kubedossier.reports.newcomers import Newcomers, denials, inside, was_denied

USERS = [None, "anna@example.com", "eve@example.com", "system:node:a", "system:apiserver", "system:serviceaccount:a:b"]
ADDRESSES = ["10.0.0.1", "203.0.113.7", "fc00::1", "2001:db8::1", "private", "198.51.100.9"]
SCHEMA = {"user": pl.String, "source_ips": pl.List(pl.String), "decision": pl.String, "status_code": pl.Int64}


def rows(number: int) -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [
        {
            "user": chance.choice(USERS),
            "source_ips": chance.choice([None, [], chance.choices(ADDRESSES, k=chance.randrange(1, 4))]),
            "decision": chance.choice([None, "allow", "forbid"]),
            "status_code": chance.choice([None, 200, 401, 403]),
        }
        for _ in range(number)
    ]


def is_inside(address: str) -> bool:
    return inside(pl.Series([address])).item()


def took_alone(users, addresses, row) -> bool:
    kind = user_kind(row["user"])
    if kind in ("node", "system"):
        return False
    told = [one for one in row["source_ips"] or () if one in addresses and (kind == "human" or not is_inside(one))]
    return row["user"] in users or bool(told)


@pytest.mark.parametrize("number", [0, 1, 500])
@pytest.mark.parametrize(
    ("users", "addresses"),
    [(["eve@example.com", "system:node:a"], ADDRESSES[:5]), ([], ADDRESSES[1:]), (["eve@example.com"], []), ([], [])],
)
def test_all_rows_at_once_give_what_each_gives_alone(number, users, addresses):
    found = rows(number)
    frame = pl.DataFrame(found, schema=SCHEMA)
    new = Newcomers.of(users, addresses)
    addresses = [one for one in addresses if one != "private"]
    assert new.addresses.to_list() == addresses
    assert new.took(frame).to_list() == [took_alone(users, addresses, row) for row in found]
    assert denials(frame).to_list() == [was_denied(row) for row in found]
    by_user, by_address = (dict(one.iter_rows()) for one in new.counts(frame))
    for user in USERS[1:]:
        assert by_user.get(user, 0) == sum(row["user"] == user for row in found) * (user in users)
    for address in ADDRESSES:
        number_of = sum(address in (row["source_ips"] or ()) for row in found)
        assert by_address.get(address, 0) == number_of * (address in addresses)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.255.0.1", True),
        ("11.0.0.1", False),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("8.8.8.8", False),
        ("fe80::1", True),
        ("2001:db8::1", False),
        ("::ffff:8.8.8.8", False),
        ("8.8.8.8.", True),
        ("8.8.8.256", True),
        ("8.8.8", True),
        ("8.8.8.8\x00", True),
        ("\u0668.8.8.8", True),
    ],
)
def test_an_address_is_inside_a_private_range_or_none_at_all(address, expected):
    assert is_inside(address) is expected


def test_many_addresses_at_once_are_told_in_their_order():
    chance = random.Random(11)
    dotted = [".".join(str(chance.choice((0, 8, 10, 100, 127, 172, 192, 255))) for _ in range(4)) for _ in range(300)]
    addresses = chance.sample([*dotted, *ADDRESSES, "fe80::7", "010.0.0.1", ""], k=309)
    assert inside(pl.Series(addresses)).to_list() == [is_inside(one) for one in addresses]
    assert inside(pl.Series([], dtype=pl.String)).to_list() == []


def test_of_all_that_is_new_those_with_most_privileged_actions_are_shown_then_the_earliest():
    first = [datetime(2026, 10, day, tzinfo=UTC) for day in (3, 2, 2, 1, *(9,) * 20)]
    frame = pl.DataFrame(
        {
            "source_ip": ["b.c", "d.e", "a.b", "z.z", *(f"x.{n:02}" for n in range(20))],
            "first_time": first,
            "events": [1] * 24,
            "users": [1] * 24,
            "clusters": [1] * 24,
        }
    )
    table = access_tables.new_addresses(
        frame, pl.DataFrame({"source_ip": ["b.c", "x.07"], "privileged": [2, 5]}), mark="E1"
    )
    assert table.total == 24
    assert [row[0].raw for row in table.rows[:5]] == ["x.07", "b.c", "z.z", "a.b", "d.e"]
    assert [row[0].raw for row in table.rows[5:]] == ["x.00", "x.01", "x.02"]
    assert [row[-1].text for row in table.rows[:3]] == ["5", "2", "0"]
