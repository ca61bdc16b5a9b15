-- title: Sessions in containers
-- question: Who entered which container, and which command was started there?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   time timestamp: of the request, UTC
--   user varchar: the authenticated user
--   impersonated_user varchar: whom the user acted as; null where nobody
--   kind varchar: exec, attach or debug container
--   namespace varchar: of the pod
--   pod varchar: name of the pod
--   container varchar: as asked for; null where the record has no path, or the pod has one container only
--   command varchar: the program and its arguments, with blanks between; null where the record has no path
--   cluster varchar: name
--   decision varchar: allow or forbid, as the API server logged it
--   status_code bigint [HTTP]: of the answer, 101 where a session began; null where the record has none
--   source_ips varchar[]: as received; may be words such as private
--   event_id varchar: hex, names the event in the archive
-- order: time, event_id
-- reads: period
-- spare: event_id, source_ips, status_code, decision, container, namespace, kind
-- notes: One row a request; attempts that were denied are listed, too: see decision and status_code. exec and attach are
--   asked for by create or get, as WebSocket clients do. The command is what was started, not what was typed into it
--   afterwards, and how long a session lasted is not logged. GKE's records have no path, hence no command. Records whose
--   resource cannot be read are recognised by their technique only.
with entered as (
  select
    *,
    case
      when resource = 'pods' and subresource in ('exec', 'attach') and action in ('create', 'get') then subresource
      when resource = 'pods' and subresource = 'ephemeralcontainers' and action in ('create', 'update', 'patch')
        then 'debug container'
      when resource is null and list_contains(techniques, 'execIntoContainer') then 'exec'
    end as kind,
    regexp_extract_all(replace(request_uri, '+', ' '), '[?&]command=([^&#]*)', 1) as parts,
    regexp_extract_all(replace(request_uri, '+', ' '), '[?&]container=([^&#]*)', 1)[1] as asked
  from events
  where time >= $period_start and time < $period_end
)
select
  time,
  "user",
  impersonated_user,
  kind,
  namespace,
  name as pod,
  coalesce(try(url_decode(asked)), asked) as container,
  case
    when len(parts) > 0
      then array_to_string(list_transform(parts, lambda part: coalesce(try(url_decode(part)), part)), ' ')
  end as command,
  cluster,
  decision,
  cast(status_code as bigint) as status_code,
  source_ips,
  lower(hex(event_id)) as event_id
from entered
where kind is not null
order by time, event_id
limit $limit
