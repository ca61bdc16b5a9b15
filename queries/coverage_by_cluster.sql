-- title: Coverage by cluster and day
-- question: On which days was each cluster collected, and where does silence mean that nobody looked?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   date date: day in UTC
--   cluster varchar: name; null where the record names none
--   events bigint [events]: archived of that day
--   state varchar: collected, partial, not collected, may have been dropped, or imported
-- order: cluster, date
-- reads: period
-- notes: Every day of the period for every cluster with an event in it. A cluster is collected on a day when one of the
--   Consoles that reported it was; see the coverage query for what the states mean. A cluster that never had a matched
--   event in the period is not known and has no row.
with days as (
  select
    cast(moment as date) as date,
    greatest(moment, $period_start) as opens,
    least(moment + interval 1 day, $period_end) as closes
  from (
    select unnest(generate_series(
      date_trunc('day', cast($period_start as timestamp)),
      cast($period_end as timestamp) - interval 1 microsecond,
      interval 1 day
    )) as moment
  )
),
counted as (
  select date, cluster, console, count(*) as events
  from events
  where time >= $period_start and time < $period_end
  group by date, cluster, console
),
seen as (
  select distinct cluster, console
  from counted
),
covered as (
  select
    days.date,
    collected.console,
    sum(epoch_us(least(days.closes, collected."end")) - epoch_us(greatest(days.opens, collected.start)))
      = min(epoch_us(days.closes) - epoch_us(days.opens)) as whole
  from days
  inner join collected on collected.start < days.closes and collected."end" > days.opens
  group by days.date, collected.console
),
dropped as (
  select distinct days.date, gaps.console
  from days
  inner join gaps on gaps.start < days.closes and gaps."end" > days.opens
  where gaps.reason = 'dropped'
),
measured as (
  select
    days.date,
    seen.cluster,
    cast(coalesce(sum(counted.events), 0) as bigint) as events,
    coalesce(bool_or(covered.whole), false) as whole,
    count(covered.console) > 0 as partly,
    count(dropped.console) > 0 as dropped
  from days
  cross join seen
  left join covered on covered.date = days.date and covered.console = seen.console
  left join dropped on dropped.date = days.date and dropped.console = seen.console
  left join counted on counted.date = days.date
    and counted.cluster is not distinct from seen.cluster
    and counted.console is not distinct from seen.console
  group by days.date, seen.cluster
)
select
  date,
  cluster,
  events,
  case
    when whole then 'collected'
    when dropped then 'may have been dropped'
    when partly then 'partial'
    when events > 0 then 'imported'
    else 'not collected'
  end as state
from measured
order by cluster nulls last, date
