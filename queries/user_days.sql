-- title: Days of the top users
-- question: On which days were the users with the most events active?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = 20: at most so many users; none is all
-- columns:
--   user varchar: the authenticated user; null where the record names none
--   date date: day in UTC
--   events bigint [events]: of that user on that day
-- order: events of the user in the period desc, user, date
-- reads: period
-- notes: Every day of the period has a row for each of the users, zeros included. The users are those of top_users.
with counted as (
  select "user", date, count(*) as events
  from events
  where time >= $period_start and time < $period_end
  group by "user", date
),
chosen as (
  select "user", sum(events) as total
  from counted
  group by "user"
  order by total desc, "user" nulls last
  limit $limit
),
days as (
  select cast(unnest(generate_series(
    date_trunc('day', cast($period_start as timestamp)),
    cast($period_end as timestamp) - interval 1 microsecond,
    interval 1 day
  )) as date) as date
)
select chosen."user", days.date, coalesce(counted.events, 0) as events
from chosen
cross join days
left join counted on counted."user" is not distinct from chosen."user" and counted.date = days.date
order by chosen.total desc, chosen."user" nulls last, days.date
