-- title: Events to export
-- question: What happened in the period, with all that an exported event is made of?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   event_id varchar: hex
--   time timestamp: of the request, UTC
--   verb varchar: as received
--   action varchar: verb of the request
--   user varchar: as received
--   uid varchar: as received
--   groups varchar[]: as received
--   user_kind varchar: such as human
--   impersonated_user varchar: whom the user acted as
--   decision varchar: allow or forbid
--   status_code bigint [HTTP]: of the answer
--   message varchar: as received
--   source_ips varchar[]: as received
--   user_agent varchar: as received
--   request_uri varchar: path and query
--   api_group varchar: empty for the core group
--   api_version varchar: such as v1
--   resource varchar: such as pods
--   subresource varchar: such as exec
--   namespace varchar: null for what belongs to the whole cluster
--   name varchar: of the object
--   cluster varchar: name
--   account varchar: of the cloud
--   provider varchar: of the cloud
--   collections varchar[]: of the Console
--   audit_id varchar: of the request
--   source_format varchar: of the record
--   techniques varchar[]: attack techniques
--   rules_version varchar: of the rules that judged a raw audit log; null for the Console's records
-- order: time, event_id
-- reads: period
-- notes: Bodies and raw records are left out, for they may hold secrets.
select
  lower(hex(event_id)) as event_id,
  time,
  verb,
  action,
  "user",
  uid,
  groups,
  user_kind,
  impersonated_user,
  decision,
  cast(status_code as bigint) as status_code,
  message,
  source_ips,
  user_agent,
  request_uri,
  api_group,
  api_version,
  resource,
  subresource,
  namespace,
  name,
  cluster,
  account,
  provider,
  collections,
  audit_id,
  source_format,
  techniques,
  rules_version
from events
where time >= $period_start and time < $period_end
order by time, event_id
