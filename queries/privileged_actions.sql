-- title: Privileged actions
-- question: Who used privileges that reach into containers, secrets, identities or access rights?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   time timestamp: of the request, UTC
--   user varchar: the authenticated user
--   impersonated_user varchar: whom the user acted as; null where nobody
--   kind varchar: what makes it privileged; the first of the list in the notes that fits
--   action varchar: verb of the request, such as create
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
-- spare: event_id, techniques, source_ips, status_code, decision, subresource, action, resource, name, namespace
-- notes: One row an event, under the first kind that fits. exec: exec or attach to a pod, also by get, as WebSocket
--   clients do. debug container: an ephemeral container was added. port forward: to a pod. kubelet access: the proxy
--   of a node. service account token: one was requested. rbac change: roles, bindings or the configmap aws-auth were
--   written or deleted. certificate approval: a signing request was approved. secret access: get, list or watch.
--   helm release read: the same on secrets that hold a Helm release, mostly routine. privileged container: by the
--   technique. impersonation: the user acted as somebody else. Tokens and secrets are listed for users other than the
--   cluster's own components. Attempts that were denied are listed, too: see decision and status_code. Records whose
--   resource cannot be read are recognised by their techniques only.
with judged as (
  select
    *,
    coalesce(
      user_kind in ('system', 'node') or starts_with("user", 'system:serviceaccount:kube-system:'),
      false
    ) as component
  from events
  where time >= $period_start and time < $period_end
),
named as (
  select
    *,
    case
      when resource = 'pods' and subresource in ('exec', 'attach') and action in ('create', 'get') then 'exec'
      when resource = 'pods' and subresource = 'ephemeralcontainers' and action in ('create', 'update', 'patch')
        then 'debug container'
      when resource = 'pods' and subresource = 'portforward' and action in ('create', 'get') then 'port forward'
      when resource = 'nodes' and subresource = 'proxy' then 'kubelet access'
      when resource = 'serviceaccounts' and subresource = 'token' and action = 'create' and not component
        then 'service account token'
      when resource in ('roles', 'clusterroles', 'rolebindings', 'clusterrolebindings')
        and action in ('create', 'update', 'patch', 'delete', 'deletecollection', 'bind', 'escalate')
        then 'rbac change'
      when resource = 'configmaps' and namespace = 'kube-system' and name = 'aws-auth'
        and action in ('create', 'update', 'patch', 'delete')
        then 'rbac change'
      when resource = 'certificatesigningrequests' and subresource = 'approval' then 'certificate approval'
      when resource = 'secrets' and action in ('get', 'list', 'watch') and not component
        then if(starts_with(coalesce(name, ''), 'sh.helm.release.v1.'), 'helm release read', 'secret access')
      when list_contains(techniques, 'privilegedContainer') then 'privileged container'
      when impersonated_user is not null or action = 'impersonate' then 'impersonation'
      when resource is null and list_contains(techniques, 'execIntoContainer') then 'exec'
      when resource is null and list_contains(techniques, 'kubernetesSecrets') and not component
        then 'secret access'
    end as kind
  from judged
)
select
  time,
  "user",
  impersonated_user,
  kind,
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
from named
where kind is not null
order by time, event_id
limit $limit
