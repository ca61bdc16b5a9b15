-- title: Requests without an identity
-- question: What did anonymous callers ask for, and were they served?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   public boolean: whether it was a health or version path, which clusters open to everybody
--   denied boolean: whether authorization forbade it, or it was answered with 401 or 403
--   events bigint [events]: in the period
--   clusters bigint [clusters]: different clusters
-- order: public, denied
-- reads: period
-- notes: Anonymous is the user system:anonymous. Public are /healthz, /livez, /readyz and /version.
select
  coalesce(regexp_matches(request_uri, '^/(healthz|livez|readyz|version)([/?]|$)'), false) as public,
  coalesce(decision = 'forbid', false) or coalesce(status_code in (401, 403), false) as denied,
  count(*) as events,
  count(distinct cluster) as clusters
from events
where time >= $period_start and time < $period_end and user_kind = 'anonymous'
group by all
order by public, denied
