-- title: Collections
-- question: How do the events spread over the Console's collections?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   collection varchar: as the Console names it
--   events bigint [events]: in the period
--   share double [0..1]: of all events of the period
--   clusters bigint [clusters]: different clusters with such an event
--   users bigint [users]: different users with such an event
-- order: events desc, collection
-- reads: period
-- trend: collection = unnest(list_distinct(collections))
-- notes: An event belongs to several collections and counts once under each. What counts is the membership when the event
--   was first read; the Console may have changed it since. Raw audit logs have none.
with asked as (
  select "user", cluster, collections
  from events
  where time >= $period_start and time < $period_end
),
placed as (
  select unnest(list_distinct(collections)) as collection, "user", cluster
  from asked
)
select
  collection,
  count(*) as events,
  count(*) / (select count(*) from asked) as share,
  count(distinct cluster) as clusters,
  count(distinct "user") as users
from placed
group by collection
order by events desc, collection
limit $limit
