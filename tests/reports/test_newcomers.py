"""Who is new, counted column by column: each row alone gives the same."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest

from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.newcomers import _is_inside, denials, newcomers, was_denied

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


def took_alone(new, row) -> bool:
    kind = user_kind(row["user"])
    if kind in ("node", "system"):
        return False
    told = [one for one in row["source_ips"] or () if one in new.addresses and (kind == "human" or not _is_inside(one))]
    return row["user"] in new.users or bool(told)


@pytest.mark.parametrize("number", [0, 1, 500])
@pytest.mark.parametrize("has_past", [True, False])
def test_all_rows_at_once_give_what_each_gives_alone(number, has_past):
    found = rows(number)
    frame = pl.DataFrame(found, schema=SCHEMA)
    new = newcomers(["eve@example.com", "system:node:a"], ADDRESSES[:5], has_past=has_past)
    assert new.took(frame).to_list() == [took_alone(new, row) for row in found]
    assert denials(frame).to_list() == [was_denied(row) for row in found]
    by_user, by_address = new.counts(frame)
    for user in USERS[1:]:
        assert by_user[user] == sum(row["user"] == user for row in found) * (user in new.users)
    for address in ADDRESSES:
        assert by_address[address] == sum(address in (row["source_ips"] or ()) for row in found) * (
            address in new.addresses
        )
