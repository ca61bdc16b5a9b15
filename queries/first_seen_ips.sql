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
with addressed as (
  select unnest(list_distinct(source_ips)) as source_ip, time, "user", cluster
  from events
  where time < $period_end
),
of_period as (
  select * from addressed where time >= $period_start
),
known as (
  select distinct source_ip
  from addressed
  semi join (select distinct source_ip from of_period) using (source_ip)
  where time < $period_start
),
by_user as (
  select source_ip, "user", min(time) as first_time, count(*) as events
  from of_period
  anti join known using (source_ip)
  group by source_ip, "user"
),
by_cluster as (
  select distinct source_ip, cluster
  from of_period
  anti join known using (source_ip)
),
users_of as (
  select
    source_ip,
    min(first_time) as first_time,
    cast(sum(events) as bigint) as events,
    count("user") as users
  from by_user
  group by source_ip
),
clusters_of as (
  select source_ip, count(cluster) as clusters
  from by_cluster
  group by source_ip
)
select source_ip, first_time, events, users, clusters
from users_of
join clusters_of using (source_ip)
order by first_time, source_ip
limit $limit
