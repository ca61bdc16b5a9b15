-- title: Service accounts
-- question: What do the service accounts of the clusters do, and which of it is unusual for a program?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   user varchar: full name of the service account
--   home varchar: namespace it belongs to
--   account_name varchar: its name there
--   events bigint [events]: in the period
--   actions bigint [kinds]: different pairs of verb and resource
--   elsewhere bigint [events]: on objects of a namespace that is not its own
--   secrets bigint [events]: that read secrets
--   denied bigint [events]: forbidden by authorization, or answered with 401 or 403
--   source_ips bigint [addresses]: different addresses it came from
--   clusters bigint [clusters]: different clusters with an event of it
-- order: events desc, user
-- reads: period
-- trend: user
-- spare: account_name, home, source_ips, actions, clusters, denied
-- notes: Names of the form system:serviceaccount:NAMESPACE:NAME only; service accounts of cloud providers are not here. The
--   same name in two clusters is one row; narrow by cluster to tell them apart.
with asked as (
  select
    *,
    split_part("user", ':', 3) as home
  from events
  where time >= $period_start and time < $period_end and starts_with("user", 'system:serviceaccount:')
)
select
  "user",
  home,
  split_part("user", ':', 4) as account_name,
  count(*) as events,
  count(distinct concat(coalesce(action, ''), ' ', coalesce(resource, ''), ' ', coalesce(subresource, ''))) as actions,
  count(*) filter (where namespace <> home) as elsewhere,
  count(*) filter (where resource = 'secrets' and action in ('get', 'list', 'watch')) as secrets,
  count(*) filter (where decision = 'forbid' or status_code in (401, 403)) as denied,
  len(list_distinct(flatten(list(source_ips)))) as source_ips,
  count(distinct cluster) as clusters
from asked
group by "user", home
order by events desc, "user"
limit $limit
