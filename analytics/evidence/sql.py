"""The questions of the catalogue as files, and the views they are asked of, for DuckDB and a bundle alone."""
# ruff: noqa: S608 - this module writes SQL from names of the project's own

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from kubedossier.analytics.evidence.container import Member, text_member
from kubedossier.analytics.views import Scope, events_sql, kept, quoted, records_sql, techniques_sql

VIEWS = "data/sql/views.sql"
_HEAD = """\
-- The views 'records', 'events' and 'attack_techniques' over the Parquet files of this bundle, for DuckDB 1.3 or later.
-- Run it in the folder of the bundle, where data/ is. 'events' is 'records' without those that a later stage of the
-- same request replaces. The parameters of the questions beside this file begin with $ and are named in their headers.
"""


def sql_members(month: str, retracted: frozenset[str], *, any_events: bool) -> Iterator[Member]:
    """The package's own queries, and the views where there are events to look at."""
    for one in resources.files("kubedossier").joinpath("queries").iterdir():
        if one.name.endswith(".sql"):
            yield text_member(f"data/sql/{one.name}", one.read_bytes())
    if any_events:
        yield text_member(VIEWS, views_sql(month, retracted))


def views_sql(month: str, retracted: frozenset[str]) -> bytes:
    """The statements that make the views."""
    files = f"read_parquet('data/events/{month}/*.parquet', hive_partitioning = false)"
    relation = kept(f"(select *, {quoted(month)} as month from {files})", retracted)
    statements = [
        f"create view records as\n{records_sql((relation,), Scope())};",
        f"create view events as\n{events_sql(None, relation, Scope())};",
        f"create view attack_techniques as {techniques_sql()};",
    ]
    return "\n\n".join([_HEAD, *statements, ""]).encode()
