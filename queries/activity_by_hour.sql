-- title: Activity by hour of the day
-- question: At which hours of the day do the events happen?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   hour bigint [hour]: of the day in UTC, 0 to 23
--   events bigint [events]: in that hour, over all days of the period
--   users bigint [users]: different users in that hour
--   share double [0..1]: of all events of the period; null where there are none
-- order: hour
-- reads: period
-- notes: Every hour has a row, zeros included. Hours are UTC: for working hours of a place see off_hours, which takes a zone.
with hours as (
  select unnest(range(24)) as hour
),
counted as (
  select hour(time) as hour, count(*) as events, count(distinct "user") as users
  from events
  where time >= $period_start and time < $period_end
  group by hour(time)
)
select
  hours.hour,
  coalesce(counted.events, 0) as events,
  coalesce(counted.users, 0) as users,
  coalesce(counted.events, 0) / nullif((select sum(events) from counted), 0) as share
from hours
left join counted on counted.hour = hours.hour
order by hours.hour
