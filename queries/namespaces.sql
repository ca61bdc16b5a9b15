-- title: Namespaces
-- question: Which namespaces have the most events, and how has that changed since the period before?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   previous_start timestamp: first moment of the period before, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   rank bigint [place]: namespaces with as many events share a place
--   namespace varchar: null for what belongs to a whole cluster or to nothing
--   events bigint [events]: in the period
--   share double [0..1]: of all events of the period
--   previous_events bigint [events]: in the period before
--   change double [ratio]: events / previous_events - 1; null where there were none before
--   users bigint [users]: different users with an event in the period
--   clusters bigint [clusters]: different clusters with an event in the period
-- order: events desc, namespace
-- reads: period+previous
-- trend: namespace
-- spare: previous_events, clusters, users
-- notes: Namespaces of the same name in different clusters are one row; narrow by cluster to tell them apart.
with counted as (
  select
    namespace,
    count(*) filter (where time >= $period_start) as events,
    count(*) filter (where time < $period_start) as previous_events,
    count(distinct "user") filter (where time >= $period_start) as users,
    count(distinct cluster) filter (where time >= $period_start) as clusters
  from events
  where time >= $previous_start and time < $period_end
  group by namespace
)
select
  rank() over (order by events desc) as rank,
  namespace,
  events,
  events / sum(events) over () as share,
  previous_events,
  events / nullif(previous_events, 0) - 1 as change,
  users,
  clusters
from counted
where events > 0
order by events desc, namespace nulls last
limit $limit
