-- title: Completeness of fields
-- question: How many events carry which field, so that questions about it can be answered at all?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
-- columns:
--   field varchar: column of the view events
--   present bigint [events]: that have it
--   missing bigint [events]: that do not
--   share double [0..1]: present of all events of the period; null where there are none
-- order: field
-- reads: period
-- notes: Missing is what the record does not say or what could not be read in it. Status, user agent and impersonation come
--   from the original event that the Console keeps; some providers leave it out. Events without a usable time belong to
--   no period and are not counted here.
with counted as (
  select
    count(*) as total,
    count(account) as account,
    count(action) as action,
    count(cluster) as cluster,
    count(decision) as decision,
    count(*) filter (where decision is not null or status_code is not null) as judged,
    count(groups) as groups,
    count(namespace) as namespace,
    count(provider) as provider,
    count(request_uri) as request_uri,
    count(resource) as resource,
    count(source_ips) as source_ips,
    count(status_code) as status_code,
    count(*) filter (where len(techniques) > 0) as techniques,
    count("user") as "user",
    count(user_agent) as user_agent
  from events
  where time >= $period_start and time < $period_end
),
listed as (
  select
    unnest([
      'account', 'action', 'cluster', 'decision', 'decision or status_code', 'groups', 'namespace', 'provider',
      'request_uri', 'resource', 'source_ips', 'status_code', 'techniques', 'user', 'user_agent'
    ]) as field,
    unnest([
      account, action, cluster, decision, judged, groups, namespace, provider,
      request_uri, resource, source_ips, status_code, techniques, "user", user_agent
    ]) as present,
    total
  from counted
)
select field, present, total - present as missing, present / nullif(total, 0) as share
from listed
order by field
