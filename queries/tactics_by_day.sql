-- title: Tactics by day
-- question: Which tactics of MITRE ATT&CK were seen on which day?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   date date: day in UTC
--   tactic varchar: as ATT&CK names it
--   events bigint [events]: of that day with a technique of that tactic
-- order: date, tactic
-- reads: period
-- notes: An event counts once under each of its tactics, however many techniques lead there, so the sum exceeds the
--   number of events. Techniques that the bundled table does not know have no tactic and are missing here. Days
--   without a tactic have no row.
with combined as (
  select date, techniques, count(*) as events
  from events
  where time >= $period_start and time < $period_end
  group by date, techniques
),
named as (
  select date, techniques, events, unnest(techniques) as technique
  from combined
),
tagged as (
  select distinct named.date, named.techniques, named.events, unnest(known.tactics) as tactic
  from named
  inner join attack_techniques as known on known.value = named.technique
)
select date, tactic, cast(sum(events) as bigint) as events
from tagged
group by date, tactic
order by date, tactic
