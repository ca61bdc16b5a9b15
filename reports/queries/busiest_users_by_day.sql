-- title: Daily events of the most active users
-- question: How did the activity of the most active users move over the period?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   user varchar: the authenticated user; null where the record names none
--   date date: day in UTC
--   events bigint [events]: of that user on that day
-- order: user, date
-- reads: period
-- notes: The fifteen users with the most events of the period; days without events have no row.
with counted as (
  select "user", date, count(*) as events
  from events
  where time >= $period_start and time < $period_end
  group by "user", date
),
ranked as (
  select "user", row_number() over (order by sum(events) desc, "user" nulls last) as position
  from counted
  group by "user"
)
select counted."user", counted.date, counted.events
from counted
inner join ranked on ranked."user" is not distinct from counted."user"
where ranked.position <= 15
order by counted."user" nulls last, counted.date
