-- title: Work outside office hours
-- question: Which people were active at night or at weekends, seen from one place?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   timezone varchar = UTC: of the office, such as Europe/Berlin
--   opens bigint = 8: hour at which office hours begin
--   closes bigint = 18: hour at which they end
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   user varchar: as received
--   events bigint [events]: in the period, outside office hours
--   share double [0..1]: of this user's events of the period
--   nights bigint [days]: different local days with such an event
--   clusters bigint [clusters]: different clusters with such an event
--   first_time timestamp: of the first such event, UTC
--   last_time timestamp: of the last, UTC
-- order: events desc, user
-- reads: period
-- notes: Office hours are Monday to Friday from opens to closes, local time with its summer time; holidays are not known.
--   Users that look like people only. One zone for all: whoever works elsewhere looks like a night owl.
with placed as (
  select "user", cluster, time, timezone(cast($timezone as varchar), timezone('UTC', time)) as local
  from events
  where time >= $period_start and time < $period_end and user_kind = 'human'
),
judged as (
  select
    *,
    date_diff('day', date '1970-01-05', cast(local as date)) % 7 >= 5
      or hour(local) < $opens
      or hour(local) >= $closes as outside
  from placed
)
select
  "user",
  count(*) filter (where outside) as events,
  count(*) filter (where outside) / count(*) as share,
  count(distinct cast(local as date)) filter (where outside) as nights,
  count(distinct cluster) filter (where outside) as clusters,
  min(time) filter (where outside) as first_time,
  max(time) filter (where outside) as last_time
from judged
group by "user"
having count(*) filter (where outside) > 0
order by events desc, "user"
limit $limit
