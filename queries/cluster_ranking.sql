-- title: Clusters
-- question: Which clusters have the most events, and how has that changed since the period before?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   previous_start timestamp: first moment of the period before, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   rank bigint [place]: clusters with as many events share a place
--   cluster varchar: name; null where the record names none
--   provider varchar: as the Console writes it
--   events bigint [events]: in the period
--   share double [0..1]: of all events of the period
--   previous_events bigint [events]: in the period before
--   change double [ratio]: events / previous_events - 1; null where there were none before
--   users bigint [users]: different users with an event in the period
-- order: events desc, cluster, provider
-- reads: period+previous
-- trend: cluster, provider
-- spare: previous_events, users, rank
-- notes: A cluster is known by its name and provider: two of the same name in two accounts are one row. Clusters of
--   the period before without an event in this one are not listed; coverage_by_cluster shows silent days.
with counted as (
  select
    cluster,
    provider,
    count(*) filter (where time >= $period_start) as events,
    count(*) filter (where time < $period_start) as previous_events,
    count(distinct "user") filter (where time >= $period_start) as users
  from events
  where time >= $previous_start and time < $period_end
  group by cluster, provider
)
select
  rank() over (order by events desc) as rank,
  cluster,
  provider,
  events,
  events / sum(events) over () as share,
  previous_events,
  events / nullif(previous_events, 0) - 1 as change,
  users
from counted
where events > 0
order by events desc, cluster nulls last, provider nulls last
limit $limit
