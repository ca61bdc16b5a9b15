-- title: Denied requests
-- question: Which requests did the API servers refuse, of whom, and how often?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   user varchar: the authenticated user; null where the record names none
--   cluster varchar: name
--   action varchar: verb of the request
--   resource varchar: such as secrets; null where it cannot be read
--   subresource varchar: such as exec
--   namespace varchar: null for what belongs to the whole cluster
--   events bigint [events]: requests denied
--   first_time timestamp: of the first
--   last_time timestamp: of the last
-- order: events desc, user, cluster, action, resource, subresource, namespace
-- reads: period
-- notes: Denied means forbidden by authorization, or answered with 401 or 403, as in the activity by day.
select
  "user", cluster, action, resource, subresource, namespace,
  count(*) as events, min(time) as first_time, max(time) as last_time
from events
where time >= $period_start and time < $period_end and (decision = 'forbid' or status_code in (401, 403))
group by "user", cluster, action, resource, subresource, namespace
order by events desc, "user" nulls last, cluster nulls last, action nulls last, resource nulls last,
  subresource nulls last, namespace nulls last
