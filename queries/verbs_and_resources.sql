-- title: Verbs and resources
-- question: What was done to which kind of object, and how often?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   action varchar: plain verb, such as create, also where the record names a method of GKE
--   resource varchar: such as pods; null for requests that name none
--   subresource varchar: such as exec
--   events bigint [events]: in the period
--   users bigint [users]: different users with such an event
--   share double [0..1]: of all events of the period
-- order: events desc, action, resource, subresource
-- reads: period
-- trend: action, resource, subresource
-- notes: Resources of the same name in different API groups are one row. Records whose resource cannot be read stand under
--   null, together with requests that have none.
with counted as (
  select action, resource, subresource, count(*) as events, count(distinct "user") as users
  from events
  where time >= $period_start and time < $period_end
  group by action, resource, subresource
)
select action, resource, subresource, events, users, events / sum(events) over () as share
from counted
order by events desc, action nulls last, resource nulls last, subresource nulls last
limit $limit
