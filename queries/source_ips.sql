-- title: Source addresses
-- question: From which addresses did the requests come?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   rank bigint [place]: addresses with as many events share a place
--   source_ip varchar: as received; may be a word such as private
--   events bigint [events]: in the period
--   share double [0..1]: of all events of the period, also of those without an address
--   users bigint [users]: different users from there
--   clusters bigint [clusters]: different clusters reached from there
--   first_time timestamp: of the first event of the period from there, UTC
--   last_time timestamp: of the last, UTC
-- order: events desc, source_ip
-- reads: period
-- trend: source_ip = unnest(list_distinct(source_ips))
-- spare: last_time, first_time, rank
-- notes: An event with several addresses (proxies) counts once under each, so the shares may exceed one. Addresses are
--   compared as text. GKE hides addresses inside Google as the word private.
with asked as (
  select time, "user", cluster, source_ips
  from events
  where time >= $period_start and time < $period_end
),
addressed as (
  select unnest(list_distinct(source_ips)) as source_ip, "user", cluster, time
  from asked
),
counted as (
  select
    source_ip,
    count(*) as events,
    count(distinct "user") as users,
    count(distinct cluster) as clusters,
    min(time) as first_time,
    max(time) as last_time
  from addressed
  group by source_ip
)
select
  rank() over (order by events desc) as rank,
  source_ip,
  events,
  events / (select count(*) from asked) as share,
  users,
  clusters,
  first_time,
  last_time
from counted
order by events desc, source_ip
limit $limit
