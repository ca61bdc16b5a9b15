"""Where a record comes from: what its context and its envelope say about cluster, account and provider.

The context is kept with every record, so that its row can be made again from the archive alone. It holds few distinct
values on purpose: what differs from record to record belongs into it only where the row needs it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """Cluster, account and provider of a record; None where nobody says.

    Attributes:
        time: time of the envelope, for records without one of their own.
        guess_account: whether the account may be read off the user's AWS identity.
    """

    cluster: str | None = None
    account: str | None = None
    provider: str | None = None
    time: str | None = None
    guess_account: bool = False


@lru_cache(maxsize=1024)
def read_context(context: str) -> dict[str, Any]:
    """The context as an object; shared, so nobody may change it."""
    value = json.loads(context)
    return value if isinstance(value, dict) else {}


@lru_cache(maxsize=1024)
def labelled(context: str) -> Origin:
    """What the command line says, for records that say nothing themselves."""
    value = read_context(context)
    return Origin(value.get("cluster"), value.get("account"), value.get("provider"))


@lru_cache(maxsize=1024)
def add_context(context: str, added: tuple[tuple[str, str], ...]) -> str:
    """The context with fields of an envelope added."""
    return json.dumps(read_context(context) | dict(added), sort_keys=True, ensure_ascii=False)


@lru_cache(maxsize=1024)
def without(context: str, key: str) -> str:
    """The context without one of its fields."""
    value = read_context(context)
    kept = {name: value[name] for name in value if name != key}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)
