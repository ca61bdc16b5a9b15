-- title: Timeline of a user
-- question: What did one user do, in which order?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   user varchar: the name, exactly as received
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   time timestamp: of the request, UTC
--   user varchar: the authenticated user
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
--   techniques varchar[]: attack techniques of the event
--   event_id varchar: hex, names the event in the archive
-- order: time, event_id
-- reads: period
-- spare: user, event_id, techniques, source_ips, status_code, decision, impersonated_user, subresource
-- notes: Both what the user did and what somebody did in the user's name by impersonation. Only events that a rule of the
--   Console matched are here, so a quiet stretch is not proof of absence.
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
  techniques,
  lower(hex(event_id)) as event_id
from events
where time >= $period_start and time < $period_end
  and ("user" = $user or impersonated_user = $user)
order by time, event_id
limit $limit
