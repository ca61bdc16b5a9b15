-- title: Anonymous access
-- question: What was asked of the clusters by somebody who was not authenticated?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   time timestamp: of the request, UTC
--   user varchar: as received
--   action varchar: verb of the request
--   resource varchar: such as pods; null for paths that name none
--   namespace varchar: null for what belongs to the whole cluster
--   name varchar: of the object
--   request_uri varchar: path and query; null where the record has none
--   cluster varchar: name
--   decision varchar: allow or forbid, as the API server logged it
--   status_code bigint [HTTP]: of the answer; null where the record has none
--   source_ips varchar[]: as received; may be words such as private
--   event_id varchar: hex, names the event in the archive
-- order: time, event_id
-- reads: period
-- spare: event_id, decision, namespace, name, user, cluster
-- notes: The user system:anonymous, or the group system:unauthenticated. Health checks and discovery are listed, too, where
--   a rule matched them: they are harmless when allowed, the rest is not.
select
  time,
  "user",
  action,
  resource,
  namespace,
  name,
  request_uri,
  cluster,
  decision,
  cast(status_code as bigint) as status_code,
  source_ips,
  lower(hex(event_id)) as event_id
from events
where time >= $period_start and time < $period_end
  and (user_kind = 'anonymous' or list_contains(groups, 'system:unauthenticated'))
order by time, event_id
limit $limit
