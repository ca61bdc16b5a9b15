-- title: Secrets read in bulk
-- question: Who read many different secrets in little time, or listed those of all namespaces?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
--   secrets bigint: so many different ones or more are many
--   minutes bigint: the time they are read in, less than which it must be
-- columns:
--   user varchar: the authenticated user; null where the record names none
--   secrets bigint [secrets]: the most different ones of any such time; of a list, what was listed is one
--   lists bigint [events]: of the secrets of a whole cluster
-- order: user
-- reads: period
-- notes: What was denied is left out.
with reads as (
  select
    "user",
    time,
    cluster,
    action,
    concat_ws('/', nullif(namespace, ''), nullif(resource, ''), nullif(name, ''), nullif(subresource, '')) as target
  from privileged_actions
  where kind = 'secret access' and not coalesce(decision = 'forbid' or status_code in (401, 403), false)
),
counted as (
  select
    "user",
    action = 'list' and target = 'secrets' as lists,
    count(distinct struct_pack(cluster := cluster, target := target)) over (
      partition by "user"
      order by time
      range between to_microseconds(cast($minutes as bigint) * 60000000 - 1) preceding and current row
    ) as secrets
  from reads
)
select "user", max(secrets) as secrets, count(*) filter (where lists) as lists
from counted
group by "user"
having max(secrets) >= $secrets or count(*) filter (where lists) > 0
order by "user"
