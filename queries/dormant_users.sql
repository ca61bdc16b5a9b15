-- title: Dormant users
-- question: Which users were active once and have not been for a while?
-- parameters:
--   period_end timestamp: first moment after the period, UTC
--   days bigint = 30: without an event for at least so many days up to the end of the period
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   user varchar: as received
--   user_kind varchar: human, service account, node, system or anonymous
--   first_time timestamp: of the user's first event in the archive, UTC
--   last_time timestamp: of the user's last event before the end of the period, UTC
--   idle_days bigint [days]: whole days from then to the end of the period
--   events bigint [events]: in the archive before the end of the period
-- order: last_time, user
-- reads: history
-- notes: No event means that no rule of the Console matched one, which is not the same as no access. Check coverage first:
--   everybody is quiet while nothing is collected.
with counted as (
  select
    "user",
    min(user_kind) as user_kind,
    min(time) as first_time,
    max(time) as last_time,
    count(*) as events
  from events
  where time < $period_end and "user" is not null
  group by "user"
),
idle as (
  select *, (epoch_us(cast($period_end as timestamp)) - epoch_us(last_time)) // 86400000000 as idle_days
  from counted
)
select "user", user_kind, first_time, last_time, idle_days, events
from idle
where idle_days >= $days
order by last_time, "user"
limit $limit
