-- title: Silent clusters
-- question: Which clusters sent events once and have sent none for a while?
-- parameters:
--   period_end timestamp: first moment after the period, UTC
--   days bigint = 7: without an event for at least so many days up to the end of the period
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   cluster varchar: name
--   provider varchar: as the Console writes it
--   last_time timestamp: of the cluster's last event before the end of the period, UTC
--   silent_days bigint [days]: whole days from then to the end of the period
--   events bigint [events]: in the archive before the end of the period
-- order: last_time, cluster, provider
-- reads: history
-- notes: A cluster may be silent because nothing happened, because it is gone, or because its audit log no longer reaches
--   the Console: the archive cannot tell which. Check coverage first: all are silent while nothing is collected.
with counted as (
  select cluster, provider, max(time) as last_time, count(*) as events
  from events
  where time < $period_end and cluster is not null
  group by cluster, provider
),
silent as (
  select *, (epoch_us(cast($period_end as timestamp)) - epoch_us(last_time)) // 86400000000 as silent_days
  from counted
)
select cluster, provider, last_time, silent_days, events
from silent
where silent_days >= $days
order by last_time, cluster, provider nulls last
limit $limit
