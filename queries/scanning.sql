-- title: Scanning
-- question: From which addresses was the API server probed by callers who could not say who they are?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   events bigint = 20: at least so many refusals within the window
--   minutes bigint = 5: length of the window
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   first_time timestamp: of the first refusal, UTC
--   last_time timestamp: of the last, UTC
--   source_ip varchar: the caller, the first of the addresses in the record
--   events bigint [events]: refusals from first to last
--   peak bigint [events]: most of them within one window
--   paths bigint [paths]: different paths, or resources where the record has no path
--   clusters varchar[]: where, sorted
--   examples varchar[]: the first five of the paths, sorted
-- order: first_time, source_ip
-- reads: period
-- notes: Refusals are 401, 403 or what authorization forbade, of requests without an identity: answered with 401, by
--   system:anonymous, or by the group system:unauthenticated. Refusals of one address belong together until it is quiet
--   for longer than the window. The address is what the record says: behind a proxy it is the proxy's or what the caller
--   claimed, and records without one are not counted. A slow scan, or one from many addresses, stays below the
--   threshold. In attack techniques this is networkServiceScanning (T1046); a period that begins within a scan shows the
--   rest of it only.
with refused as (
  select
    time,
    event_id,
    cluster,
    source_ips[1] as source_ip,
    coalesce(nullif(split_part(request_uri, '?', 1), ''), resources) as path
  from events
  where time >= $period_start and time < $period_end
    and (status_code in (401, 403) or decision = 'forbid')
    and (
      status_code = 401
      or coalesce(user_kind = 'anonymous', false)
      or coalesce(list_contains(groups, 'system:unauthenticated'), false)
    )
    and source_ips[1] is not null
),
counted as (
  select
    *,
    count(*) over (
      partition by source_ip
      order by epoch_us(time)
      range between cast($minutes as bigint) * 60000000 preceding and current row
    ) as within,
    coalesce(
      time - lag(time) over (partition by source_ip order by time, event_id) > to_minutes(cast($minutes as bigint)),
      true
    ) as begins
  from refused
),
numbered as (
  select
    *,
    count(*) filter (where begins) over (
      partition by source_ip
      order by time, event_id
      rows between unbounded preceding and current row
    ) as run
  from counted
)
select
  min(time) as first_time,
  max(time) as last_time,
  source_ip,
  count(*) as events,
  max(within) as peak,
  count(distinct path) as paths,
  list_sort(list_distinct(array_agg(cluster))) as clusters,
  list_sort(list_distinct(array_agg(path)))[1:5] as examples
from numbered
group by source_ip, run
having max(within) >= $events
order by first_time, source_ip
limit $limit
