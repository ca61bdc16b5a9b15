-- title: Users seen for the first time
-- question: Which users appear in the archive for the first time in this period?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   user varchar: as received
--   user_kind varchar: human, service account, node, system or anonymous
--   first_time timestamp: of the user's first event, UTC
--   events bigint [events]: in the period
--   clusters bigint [clusters]: different clusters with an event of this user in the period
-- order: first_time, user
-- reads: history
-- trend: user
-- spare: clusters, user_kind
-- notes: First means first in this archive, within the filters: in the archive's first period everybody is new, and who was
--   only active while nothing was collected counts as new, too.
select
  "user",
  min(user_kind) as user_kind,
  min(time) as first_time,
  count(*) as events,
  count(distinct cluster) as clusters
from events
where time < $period_end and "user" is not null
group by "user"
having min(time) >= $period_start
order by first_time, "user"
limit $limit
