-- title: Coverage by day
-- question: Which days were collected completely, and where may something be missing?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   date date: day in UTC
--   events bigint [events]: archived of that day
--   collected_share double [0..1]: of the day that snapshots attest, over all Consoles
--   state varchar: collected, partial, not collected, may have been dropped, or imported
-- order: date
-- reads: period
-- notes: Only what an unfiltered snapshot read to the end counts as collected, and only from the oldest event on that the
--   Console still had. Each Console that was ever read without a filter counts alike on every day. collected: the whole
--   day. may have been dropped: the Console had already forgotten a part of it. partial: a part of the day. imported:
--   nothing attested, events from files or filtered runs only. Collected means all that the Console kept, which are
--   the events its rules matched, not all that happened. A filter narrows the events and not the state; with
--   --source raw nothing is attested, since audit logs come from files.
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
consoles as (
  select count(distinct console) as known
  from snapshots
  where type = 'snapshot' and not filtered
),
covered as (
  select
    days.date,
    sum(epoch_us(least(days.closes, collected."end")) - epoch_us(greatest(days.opens, collected.start))) as micros
  from days
  inner join collected on collected.start < days.closes and collected."end" > days.opens
  group by days.date
),
dropped as (
  select distinct days.date
  from days
  inner join gaps on gaps.start < days.closes and gaps."end" > days.opens
  where gaps.reason = 'dropped'
),
counted as (
  select date, count(*) as events
  from events
  where time >= $period_start and time < $period_end
  group by date
),
measured as (
  select
    days.date,
    coalesce(counted.events, 0) as events,
    coalesce(covered.micros, 0) as micros,
    consoles.known * (epoch_us(days.closes) - epoch_us(days.opens)) as whole,
    dropped.date is not null as dropped
  from days
  cross join consoles
  left join covered on covered.date = days.date
  left join dropped on dropped.date = days.date
  left join counted on counted.date = days.date
)
select
  date,
  events,
  coalesce(micros / nullif(whole, 0), 0) as collected_share,
  case
    when micros > 0 and micros = whole then 'collected'
    when dropped then 'may have been dropped'
    when micros > 0 then 'partial'
    when events > 0 then 'imported'
    else 'not collected'
  end as state
from measured
order by date
