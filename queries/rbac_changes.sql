-- title: Changes of access rights
-- question: Who changed access rights, and who got which role by it?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   time timestamp: of the request, UTC
--   user varchar: the authenticated user
--   impersonated_user varchar: whom the user acted as; null where nobody
--   action varchar: verb of the request, such as create
--   resource varchar: roles, clusterroles, rolebindings, clusterrolebindings, or configmaps for aws-auth
--   namespace varchar: null for what belongs to the whole cluster
--   name varchar: of the object
--   role varchar: that a binding grants; null where the body was not logged
--   subjects varchar[]: who gets it; service accounts as namespace/name; null where the body was not logged
--   cluster varchar: name
--   decision varchar: allow or forbid, as the API server logged it
--   status_code bigint [HTTP]: of the answer; null where the record has none
--   source_ips varchar[]: as received; may be words such as private
--   event_id varchar: hex, names the event in the archive
-- order: time, event_id
-- reads: period
-- spare: event_id, source_ips, status_code, decision, namespace, name, resource
-- notes: Roles, bindings and the configmap aws-auth that were written or deleted; denied attempts, too. Role and subjects
--   are read from the body of the request, and only a body that was logged has them: at level Metadata they are null,
--   which does not mean none. A patch shows what it changes alone. What a role allows is not judged.
with changed as (
  select
    *,
    case
      when json_valid(event_blob)
        then coalesce(
          json_extract(event_blob, '$.requestObject'), json_extract(event_blob, '$.protoPayload.request')
        )
    end as body
  from events
  where time >= $period_start and time < $period_end
    and (
      (
        resource in ('roles', 'clusterroles', 'rolebindings', 'clusterrolebindings')
        and action in ('create', 'update', 'patch', 'delete', 'deletecollection', 'bind', 'escalate')
      )
      or (
        resource = 'configmaps' and namespace = 'kube-system' and name = 'aws-auth'
        and action in ('create', 'update', 'patch', 'delete')
      )
    )
)
select
  time,
  "user",
  impersonated_user,
  action,
  resource,
  namespace,
  name,
  json_extract_string(body, '$.roleRef.name') as role,
  case
    when json_type(body, '$.subjects') = 'ARRAY'
      then list_transform(
        json_extract(body, '$.subjects[*]'),
        lambda one: concat_ws('/', json_extract_string(one, '$.namespace'), json_extract_string(one, '$.name'))
      )
  end as subjects,
  cluster,
  decision,
  cast(status_code as bigint) as status_code,
  source_ips,
  lower(hex(event_id)) as event_id
from changed
order by time, event_id
limit $limit
