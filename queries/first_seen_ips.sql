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
)
select
  source_ip,
  min(time) as first_time,
  count(*) as events,
  count(distinct "user") as users,
  count(distinct cluster) as clusters
from addressed
group by source_ip
having min(time) >= $period_start
order by first_time, source_ip
limit $limit
