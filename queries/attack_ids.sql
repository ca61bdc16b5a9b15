-- title: Techniques by ATT&CK id
-- question: Which techniques of MITRE ATT&CK were seen, and how often?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   attack_id varchar: of the technique, such as T1609
--   attack_name varchar: as ATT&CK calls it
--   techniques varchar[]: values of the Console that mean it, of those seen, sorted
--   events bigint [events]: with at least one of these values
--   attempts bigint [events]: of these, refused or failed; the others were done, as far as the record tells
--   users bigint [users]: different users
--   first_time timestamp: of the first such event, UTC
--   last_time timestamp: of the last, UTC
-- order: attack_id
-- reads: period
-- notes: An event with several ids counts once under each, and once under an id that several of its values mean. Values
--   that ATT&CK has no technique for, or a whole tactic only, are left out: techniques_by_day has them all.
with seen as (
  select
    event_id,
    "user",
    time,
    unnest(list_distinct(techniques)) as value,
    list_contains(flags, 'technique_attempt') or decision = 'forbid' or status_code >= 400 as attempted
  from events
  where time >= $period_start and time < $period_end
)
select
  attack_id,
  min(attack_name) as attack_name,
  list_sort(list_distinct(array_agg(value))) as techniques,
  count(distinct event_id) as events,
  count(distinct event_id) filter (attempted) as attempts,
  count(distinct "user") as users,
  min(time) as first_time,
  max(time) as last_time
from seen
join attack_techniques using (value)
where attack_id like 'T_%' and attack_id not like 'TA%'
group by attack_id
order by attack_id
