"""The peer of ``kubedossier import``: DuckDB's own JSON reader and COPY, doing less, or the same as far as it can.

``less``: typed columns, partitioned by month; damaged lines become rows of NULLs.
``same``: also the raw text, both hashes, and each event once; damaged lines are still lost.
"""

from __future__ import annotations

import sys

import duckdb

LESS = """
copy (
  select *, coalesce(strftime(try_cast(time as timestamp), '%Y-%m'), 'undated') as month
  from read_json($source, format = 'newline_delimited', ignore_errors = true, columns = {
    time: 'varchar', verb: 'varchar',
    "user": 'struct(username varchar, uid varchar, groups varchar[])',
    authorizationInfo: 'map(varchar, varchar)', message: 'varchar', sourceIPs: 'varchar[]', resources: 'varchar',
    requestURI: 'varchar', attackTechniques: 'varchar[]', cluster: 'varchar', accountID: 'varchar',
    provider: 'varchar', collections: 'varchar[]', eventBlob: 'varchar'})
) to '{target}' (format parquet, compression zstd, partition_by (month))
"""

SAME = """
copy (
  with lines as (
    select raw, from_json(raw, '{"time":"VARCHAR","verb":"VARCHAR",
      "user":{"username":"VARCHAR","uid":"VARCHAR","groups":["VARCHAR"]},
      "authorizationInfo":"MAP(VARCHAR, VARCHAR)","message":"VARCHAR","sourceIPs":["VARCHAR"],"resources":"VARCHAR",
      "requestURI":"VARCHAR","attackTechniques":["VARCHAR"],"cluster":"VARCHAR","accountID":"VARCHAR",
      "provider":"VARCHAR","collections":["VARCHAR"],"eventBlob":"VARCHAR"}') as event
    from read_csv($source, columns = {raw: 'varchar'}, delim = '\\x01', quote = '', escape = '', header = false,
      max_line_size = 8000000, auto_detect = false)
    where json_valid(raw)
  ),
  hashed as (
    select raw, event, sha256(raw) as leaf,
      sha256(to_json([event.time, event.verb, event."user".username, event.message, event.resources, event.cluster,
        event.accountID, event.provider, event.eventBlob])::varchar) as event_id,
      json_extract_string(event.eventBlob, ['$.userAgent', '$.responseStatus.code', '$.auditID', '$.stage']) as blob
    from lines
  )
  select unnest(event), raw, leaf, event_id, blob,
    coalesce(strftime(try_cast(event.time as timestamp), '%Y-%m'), 'undated') as month
  from hashed
  qualify row_number() over (partition by event_id) = 1
) to '{target}' (format parquet, compression zstd, partition_by (month))
"""

if __name__ == "__main__":
    kind, source, target = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = false")
    sql = {"less": LESS, "same": SAME}[kind].replace("{target}", target)
    connection.execute(sql, {"source": source})
