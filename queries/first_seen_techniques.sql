-- title: Techniques seen for the first time
-- question: Which attack techniques appear in the archive for the first time in this period?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   technique varchar: value as the Console writes it
--   attack_id varchar: of MITRE ATT&CK; null where nothing equals it
--   attack_name varchar: as ATT&CK names it
--   first_time timestamp: of the first event with it, UTC
--   events bigint [events]: in the period
--   users bigint [users]: different users with such an event
--   clusters bigint [clusters]: different clusters with such an event
-- order: first_time, technique
-- reads: history
-- trend: technique = unnest(list_distinct(techniques))
-- spare: clusters, users, attack_name
-- notes: First means first in this archive, within the filters: in the archive's first period every technique is new. A
--   technique may also be new because a rule of the Console is.
with tagged as (
  select unnest(list_distinct(techniques)) as technique, time, "user", cluster
  from events
  where time < $period_end
),
counted as (
  select
    technique,
    min(time) as first_time,
    count(*) as events,
    count(distinct "user") as users,
    count(distinct cluster) as clusters
  from tagged
  group by technique
  having min(time) >= $period_start
)
select
  counted.technique,
  nullif(known.attack_id, '') as attack_id,
  nullif(known.attack_name, '') as attack_name,
  counted.first_time,
  counted.events,
  counted.users,
  counted.clusters
from counted
left join attack_techniques as known on known.value = counted.technique
order by counted.first_time, counted.technique
