-- title: Activity by day
-- question: How many events, users and clusters were there each day, and how many requests were denied?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   date date: day in UTC
--   events bigint [events]: of that day
--   users bigint [users]: different users of that day
--   clusters bigint [clusters]: different clusters of that day
--   denied bigint [events]: forbidden by authorization, or answered with 401 or 403
-- order: date
-- reads: period
-- notes: Every day of the period has a row. Zero events is not the same as nothing happened: the coverage query says
--   whether that day was collected at all.
with days as (
  select cast(unnest(generate_series(
    date_trunc('day', cast($period_start as timestamp)),
    cast($period_end as timestamp) - interval 1 microsecond,
    interval 1 day
  )) as date) as date
),
counted as (
  select
    date,
    count(*) as events,
    count(distinct "user") as users,
    count(distinct cluster) as clusters,
    count(*) filter (where decision = 'forbid' or status_code in (401, 403)) as denied
  from events
  where time >= $period_start and time < $period_end
  group by date
)
select
  days.date,
  coalesce(counted.events, 0) as events,
  coalesce(counted.users, 0) as users,
  coalesce(counted.clusters, 0) as clusters,
  coalesce(counted.denied, 0) as denied
from days
left join counted on counted.date = days.date
order by days.date
