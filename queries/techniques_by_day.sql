-- title: Techniques by day
-- question: Which attack techniques were seen on which day?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   date date: day in UTC
--   technique varchar: value as the Console writes it
--   attack_id varchar: of MITRE ATT&CK; null where nothing equals it
--   attack_name varchar: as ATT&CK names it
--   events bigint [events]: of that day with that technique
--   attempts bigint [events]: of these, refused or failed; the others were done, as far as the record tells
-- order: date, technique
-- reads: period
-- notes: An event with several techniques counts once under each, so the sum exceeds the number of events. Days without
--   a technique have no row. The Console's own techniques are taken; where a record has none, those that the rules
--   for raw audit logs found. A filter on techniques keeps whole events, with their other techniques.
with combined as (
  select
    date,
    techniques,
    count(*) as events,
    count(*) filter (
      list_contains(flags, 'technique_attempt') or decision = 'forbid' or status_code >= 400
    ) as attempts
  from events
  where time >= $period_start and time < $period_end
  group by date, techniques
),
tagged as (
  select date, events, attempts, unnest(list_distinct(techniques)) as technique
  from combined
),
counted as (
  select
    date,
    technique,
    cast(sum(events) as bigint) as events,
    cast(sum(attempts) as bigint) as attempts
  from tagged
  group by date, technique
)
select
  counted.date,
  counted.technique,
  nullif(known.attack_id, '') as attack_id,
  nullif(known.attack_name, '') as attack_name,
  counted.events,
  counted.attempts
from counted
left join attack_techniques as known on known.value = counted.technique
order by counted.date, counted.technique
