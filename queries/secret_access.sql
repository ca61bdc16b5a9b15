-- title: Access to secrets
-- question: Who read, listed or wrote which secrets, and how often?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   helm boolean = false: also the secrets in which Helm keeps its releases
--   components boolean = false: also the cluster's own components
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   user varchar: the authenticated user; null where the record names none
--   access varchar: read, list (all of a namespace or cluster, or a watch of them) or write
--   cluster varchar: name
--   namespace varchar: null where the request was for the whole cluster
--   secret varchar: name; null where the request named none
--   events bigint [events]: in the period
--   denied bigint [events]: of them forbidden, or answered with 401 or 403
--   source_ips varchar[]: different addresses, sorted; may be words such as private
--   first_time timestamp: of the first such event, UTC
--   last_time timestamp: of the last, UTC
-- order: events desc, user, access, cluster, namespace, secret
-- reads: period
-- notes: A list without a name gives the content of all secrets it covers, not their names alone. Helm reads its releases
--   all day and components read what they run on: both are left out unless asked for. A pod that mounts a secret asks the
--   API server for nothing and is not here. Whoever may start pods or enter them reaches secrets without this.
with asked as (
  select
    *,
    case
      when action = 'get' then 'read'
      when action in ('list', 'watch') then if(name is null, 'list', 'read')
      else 'write'
    end as access,
    coalesce(
      user_kind in ('system', 'node') or starts_with("user", 'system:serviceaccount:kube-system:'),
      false
    ) as component
  from events
  where time >= $period_start and time < $period_end and resource = 'secrets'
)
select
  "user",
  access,
  cluster,
  namespace,
  name as secret,
  count(*) as events,
  count(*) filter (where decision = 'forbid' or status_code in (401, 403)) as denied,
  list_sort(list_distinct(flatten(array_agg(coalesce(source_ips, cast([] as varchar[])))))) as source_ips,
  min(time) as first_time,
  max(time) as last_time
from asked
where ($components or not component)
  and ($helm or not starts_with(coalesce(name, ''), 'sh.helm.release.v1.'))
group by "user", access, cluster, namespace, name
order by events desc, "user", access, cluster, namespace, secret
limit $limit
