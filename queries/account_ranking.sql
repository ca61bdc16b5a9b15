-- title: Accounts
-- question: Which cloud accounts have the most events, and how has that changed since the period before?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   previous_start timestamp: first moment of the period before, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   rank bigint [place]: accounts with as many events share a place
--   account varchar: as the Console writes it; null where the record names none
--   provider varchar: as the Console writes it
--   events bigint [events]: in the period
--   share double [0..1]: of all events of the period
--   previous_events bigint [events]: in the period before
--   change double [ratio]: events / previous_events - 1; null where there were none before
--   clusters bigint [clusters]: different clusters with an event in the period
--   users bigint [users]: different users with an event in the period
-- order: events desc, account, provider
-- reads: period+previous
-- trend: account, provider
-- spare: previous_events, users, clusters, rank
-- notes: An account is known by its id and provider. Accounts of the period before without an event in this one are not
--   listed.
with counted as (
  select
    account,
    provider,
    count(*) filter (where time >= $period_start) as events,
    count(*) filter (where time < $period_start) as previous_events,
    count(distinct cluster) filter (where time >= $period_start) as clusters,
    count(distinct "user") filter (where time >= $period_start) as users
  from events
  where time >= $previous_start and time < $period_end
  group by account, provider
)
select
  rank() over (order by events desc) as rank,
  account,
  provider,
  events,
  events / sum(events) over () as share,
  previous_events,
  events / nullif(previous_events, 0) - 1 as change,
  clusters,
  users
from counted
where events > 0
order by events desc, account nulls last, provider nulls last
limit $limit
