"""What others do to answer the same questions: ``python reading_peers.py PEER ARGUMENT...``, one process a peer.

``naive FOLDER``: DuckDB over the archive's own Parquet, in the SQL one writes down first. ``duckdb FILE`` and
``pandas FILE``: the users with most events, out of compressed NDJSON. ``pandas-users FOLDER MONTH BEFORE`` and
``pandas-techniques FOLDER MONTH``: pandas over the Parquet of the months, of which it reads the columns it needs.
"""

from __future__ import annotations

import sys

NAIVE = {
    "activity_by_day": """
        select date_trunc('day', time) as day, count(*), count(distinct "user"), count(distinct cluster),
          count(*) filter (where decision = 'forbid' or status_code in (401, 403))
        from t group by day order by day""",
    "top_users": """
        select "user", min(user_kind), count(*) as events, count(*) * 1.0 / (select count(*) from t),
          count(distinct cluster), min(time), max(time)
        from t group by "user" order by events desc, "user" limit 20""",
    "techniques_by_day": """
        select date_trunc('day', time) as day, technique, count(*)
        from (select time, unnest(techniques_native) as technique from t) group by all order by all""",
    "tactics_by_day": """
        select date_trunc('day', time) as day, tactic, count(distinct event_id)
        from (select time, event_id, unnest(techniques_native) as technique from t)
        join (select value, unnest(tactics) as tactic from known) on value = technique
        group by all order by all""",
    "first_seen_users": """
        select "user", min(user_kind), min(time) as first_time, count(*), count(distinct cluster)
        from t where "user" is not null group by "user" order by first_time, "user" """,
    "cluster_ranking": """
        select cluster, count(*) as events, count(distinct "user"), count(distinct namespace), max(time)
        from t group by cluster order by events desc, cluster""",
    "user_days": """
        select "user", date_trunc('day', time) as day, count(*) as events
        from t where "user" in (select "user" from t group by "user" order by count(*) desc, "user" limit 20)
        group by all order by all""",
    "denied_requests": """
        select time, "user", action, resource, namespace, name, cluster, decision, status_code
        from t where decision = 'forbid' or status_code in (401, 403) order by time""",
}


def naive(folder: str) -> None:
    """All questions over all months."""
    import duckdb

    from kubedossier.analytics.views import techniques_sql

    connection = duckdb.connect()
    connection.execute(f"create view t as from read_parquet('{folder}/events/*/*.parquet', hive_partitioning = true)")
    connection.execute(f"create table known as {techniques_sql()}")
    for sql in NAIVE.values():
        connection.sql(sql).to_arrow_table()


def duckdb(file: str) -> None:
    """Users out of JSON."""
    import duckdb

    sql = (
        """select "user".username as name, count(*) as n from read_json($file) group by name order by n desc limit 20"""
    )
    duckdb.sql(sql, params={"file": file}).fetchall()


def pandas(file: str) -> None:
    """Users out of JSON."""
    import pandas

    frame = pandas.read_json(file, lines=True)
    frame["user"].str["username"].value_counts().head(20)


def pandas_users(folder: str, month: str, before: str) -> None:
    """Users of a month beside the month before."""
    import pandas

    columns = ["user", "user_kind", "cluster", "time"]
    now = pandas.read_parquet(f"{folder}/events/month={month}", columns=columns)
    then = pandas.read_parquet(f"{folder}/events/month={before}", columns=["user"])
    grouped = now.groupby("user", dropna=False)
    table = grouped.agg(
        kind=("user_kind", "min"), clusters=("cluster", "nunique"), first=("time", "min"), last=("time", "max")
    )
    table["events"] = grouped.size()
    table["previous"] = then.groupby("user", dropna=False).size().reindex(table.index, fill_value=0)
    table["share"] = table["events"] / table["events"].sum()
    table.sort_values("events", ascending=False).head(20)


def pandas_techniques(folder: str, month: str) -> None:
    """Techniques of a month by day."""
    import pandas

    frame = pandas.read_parquet(f"{folder}/events/month={month}", columns=["time", "techniques_native"])
    frame["day"] = frame["time"].dt.floor("D")
    frame.explode("techniques_native").groupby(["day", "techniques_native"]).size()


if __name__ == "__main__":
    peer, *arguments = sys.argv[1:]
    globals()[peer.replace("-", "_")](*arguments)
