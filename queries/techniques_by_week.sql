-- title: Techniques by week
-- question: Which attack techniques were seen in which week?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   week date: Monday of the week, UTC
--   technique varchar: value as the Console writes it
--   attack_id varchar: of MITRE ATT&CK; null where nothing equals it
--   attack_name varchar: as ATT&CK names it
--   events bigint [events]: of that week with that technique
--   attempts bigint [events]: of these, refused or failed; the others were done, as far as the record tells
-- order: week, technique
-- reads: period
-- notes: An event with several techniques counts once under each, so the sum exceeds the number of events. The first and
--   the last week hold only their days inside the period. Weeks without a technique have no row.
with combined as (
  select
    cast(date_trunc('week', date) as date) as week,
    techniques,
    count(*) as events,
    count(*) filter (
      list_contains(flags, 'technique_attempt') or decision = 'forbid' or status_code >= 400
    ) as attempts
  from events
  where time >= $period_start and time < $period_end
  group by cast(date_trunc('week', date) as date), techniques
),
tagged as (
  select week, events, attempts, unnest(list_distinct(techniques)) as technique
  from combined
),
counted as (
  select
    week,
    technique,
    cast(sum(events) as bigint) as events,
    cast(sum(attempts) as bigint) as attempts
  from tagged
  group by week, technique
)
select
  counted.week,
  counted.technique,
  nullif(known.attack_id, '') as attack_id,
  nullif(known.attack_name, '') as attack_name,
  counted.events,
  counted.attempts
from counted
left join attack_techniques as known on known.value = counted.technique
order by counted.week, counted.technique
