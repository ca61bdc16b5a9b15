-- title: Denied requests
-- question: Which requests were forbidden or not authenticated, and whose were they?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   time timestamp: of the request, UTC
--   user varchar: the authenticated user; system:anonymous where there was none
--   impersonated_user varchar: whom the user acted as; null where nobody
--   action varchar: verb of the request
--   resource varchar: such as pods
--   subresource varchar: such as exec
--   namespace varchar: null for what belongs to the whole cluster
--   name varchar: of the object
--   cluster varchar: name
--   decision varchar: allow or forbid, as the API server logged it
--   status_code bigint [HTTP]: of the answer; null where the record has none
--   source_ips varchar[]: as received; may be words such as private
--   event_id varchar: hex, names the event in the archive
-- order: time, event_id
-- reads: period
-- spare: event_id, source_ips, decision, status_code, subresource, namespace, name
-- notes: Denied is what authorization forbade, and what was answered with 401 or 403. Records without a decision and
--   without a status cannot be judged and are not listed; field_completeness says how many have neither.
select
  time,
  "user",
  impersonated_user,
  action,
  resource,
  subresource,
  namespace,
  name,
  cluster,
  decision,
  cast(status_code as bigint) as status_code,
  source_ips,
  lower(hex(event_id)) as event_id
from events
where time >= $period_start and time < $period_end
  and (decision = 'forbid' or status_code in (401, 403))
order by time, event_id
limit $limit
