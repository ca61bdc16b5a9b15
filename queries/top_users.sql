-- title: Top users
-- question: Which users caused the most events, and how has that changed since the period before?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   previous_start timestamp: first moment of the period before, UTC
--   limit bigint = 20: at most so many rows; none is all
-- columns:
--   rank bigint [place]: users with as many events share a place
--   user varchar: the authenticated user; null where the record names none
--   user_kind varchar: human, service account, node, system or anonymous
--   events bigint [events]: in the period
--   share double [0..1]: of all events of the period
--   previous_events bigint [events]: in the period before
--   change double [ratio]: events / previous_events - 1; null where there were none before
--   clusters bigint [clusters]: different clusters with an event of this user in the period
--   first_time timestamp: of the user's first event in the period, UTC
--   last_time timestamp: of the user's last event in the period, UTC
-- order: events desc, user
-- reads: period+previous
-- trend: user
-- spare: last_time, first_time, clusters, previous_events, rank
-- notes: The authenticated user is counted; who acts as somebody else is counted under the own name (see
--   privileged_actions for impersonation). Users of the period before without an event in this one are not listed.
--   Names are compared exactly: one person with two logins is two users.
with counted as (
  select
    "user",
    min(user_kind) as user_kind,
    count(*) filter (where time >= $period_start) as events,
    count(*) filter (where time < $period_start) as previous_events,
    count(distinct cluster) filter (where time >= $period_start) as clusters,
    min(time) filter (where time >= $period_start) as first_time,
    max(time) filter (where time >= $period_start) as last_time
  from events
  where time >= $previous_start and time < $period_end
  group by "user"
)
select
  rank() over (order by events desc) as rank,
  "user",
  user_kind,
  events,
  events / sum(events) over () as share,
  previous_events,
  events / nullif(previous_events, 0) - 1 as change,
  clusters,
  first_time,
  last_time
from counted
where events > 0
order by events desc, "user" nulls last
limit $limit
