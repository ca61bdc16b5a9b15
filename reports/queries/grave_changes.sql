-- title: Wide rights and weakened defences
-- question: Who granted rights over everything, or to everybody, and who removed what watches the clusters?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   time timestamp: of the request, UTC
--   user varchar: the authenticated user
--   kind varchar: what makes it grave; the first of the list in the notes that fits
--   detail varchar[]: the role that was bound, then the names it was bound to; null where there are none
--   action varchar: verb of the request
--   resource varchar: such as clusterrolebindings
--   subresource varchar: null for most
--   namespace varchar: null for what belongs to the whole cluster
--   name varchar: of the object
--   cluster varchar: name
--   decision varchar: allow or forbid, as the API server logged it
--   status_code bigint [HTTP]: of the answer; null where the record has none
--   source_ips varchar[]: as received
--   event_id varchar: hex, names the event in the archive
-- order: time, event_id
-- reads: period
-- notes: cluster-admin bound: the role was given by a binding. rights for everybody: a binding to system:anonymous,
--   system:unauthenticated or system:authenticated. wildcard role: a rule with all verbs on all resources was written.
--   events deleted: Kubernetes events, which tell what happened. webhook deleted: an admission webhook or policy, which
--   holds rules up. The role, its rules and the names bound come from the body of the request or of the answer; where
--   neither was logged, only the kinds of deletion can be seen. The cluster's own components are left out.
with asked as (
  select
    *,
    case when resource in ('roles', 'clusterroles', 'rolebindings', 'clusterrolebindings') and json_valid(event_blob)
      then event_blob
    end as body
  from events
  where time >= $period_start and time < $period_end
    and not coalesce(
      user_kind in ('system', 'node') or starts_with("user", 'system:serviceaccount:kube-system:'),
      false
    )
    and (
      resource in ('roles', 'clusterroles', 'rolebindings', 'clusterrolebindings')
      and action in ('create', 'update', 'patch')
      or resource in (
        'events',
        'validatingwebhookconfigurations',
        'mutatingwebhookconfigurations',
        'validatingadmissionpolicies',
        'validatingadmissionpolicybindings'
      )
      and action in ('delete', 'deletecollection')
    )
),
read_once as (
  select
    *,
    json_extract(
      body,
      [
        '$.requestObject.roleRef.name',
        '$.responseObject.roleRef.name',
        '$.requestObject.subjects',
        '$.responseObject.subjects',
        '$.requestObject.rules',
        '$.responseObject.rules'
      ]
    ) as found
  from asked
),
opened as (
  select
    *,
    coalesce(json_extract_string(found[1], '$'), json_extract_string(found[2], '$')) as role,
    list_concat(json_extract_string(found[3], '$[*].name'), json_extract_string(found[4], '$[*].name')) as subjects,
    list_concat(json_extract(found[5], '$[*]'), json_extract(found[6], '$[*]')) as rules
  from read_once
),
named as (
  select
    *,
    case
      when role = 'cluster-admin' then 'cluster-admin bound'
      when list_has_any(subjects, ['system:anonymous', 'system:unauthenticated', 'system:authenticated'])
        then 'rights for everybody'
      when len(
        list_filter(
          rules,
          lambda one: list_contains(json_extract_string(one, '$.verbs[*]'), '*')
            and list_contains(json_extract_string(one, '$.resources[*]'), '*')
        )
      ) > 0 then 'wildcard role'
      when resource = 'events' then 'events deleted'
      when action in ('delete', 'deletecollection') then 'webhook deleted'
    end as kind
  from opened
)
select
  time,
  "user",
  kind,
  case when role is not null then list_prepend(role, list_sort(list_distinct(subjects))) end as detail,
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
from named
where kind is not null
order by time, event_id
