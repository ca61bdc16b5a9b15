-- title: Addresses seen for the first time
-- question: Which source addresses appear in the archive for the first time in this period?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   source_ip varchar: as received; may be a word such as private
--   first_time timestamp: of the first event from there, UTC
--   events bigint [events]: in the period
--   users bigint [users]: different users from there in the period
--   clusters bigint [clusters]: different clusters reached from there in the period
-- order: first_time, source_ip
-- reads: history
-- trend: source_ip = unnest(list_distinct(source_ips))
-- notes: First means first in this archive, within the filters: in the archive's first period every address is new. An
--   event with several addresses counts once under each.
with numbered_users as (
  select "user", row_number() over (order by "user") as number
  from (select distinct "user" from events where time < $period_end)
),
numbered_clusters as (
  select cluster, row_number() over (order by cluster) as number
  from (select distinct cluster from events where time < $period_end)
),
unnested as (
  select
    unnest(case when len(source_ips) > 1 then list_distinct(source_ips) else source_ips end) as source_ip,
    time,
    "user",
    cluster
  from events
  where time < $period_end
),
-- Numbers in place of names, and different ones counted only where there are several: most addresses come once.
addressed as (
  select
    source_ip,
    time,
    cast(numbered_users.number as integer) as user_number,
    cast(numbered_clusters.number as integer) as cluster_number
  from unnested
  left join numbered_users on numbered_users."user" = unnested."user"
  left join numbered_clusters on numbered_clusters.cluster = unnested.cluster
  where source_ip is not null
),
found as (
  select
    source_ip,
    min(time) as first_time,
    count(*) as events,
    min(user_number) as first_user,
    max(user_number) as last_user,
    min(cluster_number) as first_cluster,
    max(cluster_number) as last_cluster
  from addressed
  group by source_ip
  having min(time) >= $period_start
),
several as (
  select source_ip, count(distinct user_number) as users, count(distinct cluster_number) as clusters
  from addressed
  where source_ip in (select source_ip from found where first_user < last_user or first_cluster < last_cluster)
  group by source_ip
)
select
  found.source_ip,
  first_time,
  events,
  coalesce(users, if(first_user is null, 0, 1)) as users,
  coalesce(clusters, if(first_cluster is null, 0, 1)) as clusters
from found
left join several on several.source_ip = found.source_ip
order by first_time, found.source_ip
limit $limit
