-- title: Providers
-- question: How do the events spread over cloud providers, and how has that changed since the period before?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   previous_start timestamp: first moment of the period before, UTC
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   rank bigint [place]: providers with as many events share a place
--   provider varchar: as the Console writes it; null where the record names none
--   events bigint [events]: in the period
--   share double [0..1]: of all events of the period
--   previous_events bigint [events]: in the period before
--   change double [ratio]: events / previous_events - 1; null where there were none before
--   accounts bigint [accounts]: different accounts with an event in the period
--   clusters bigint [clusters]: different clusters (by account and name) with an event in the period
-- order: events desc, provider
-- reads: period+previous
-- trend: provider
-- spare: previous_events, accounts, clusters
-- notes: Providers of the period before without an event in this one are not listed. Raw audit logs that were imported
--   without saying where they come from count under 'others'.
with counted as (
  select
    provider,
    count(*) filter (where time >= $period_start) as events,
    count(*) filter (where time < $period_start) as previous_events,
    count(distinct account) filter (where time >= $period_start) as accounts,
    count(distinct concat(coalesce(account, ''), chr(10), cluster))
      filter (where time >= $period_start and cluster is not null) as clusters
  from events
  where time >= $previous_start and time < $period_end
  group by provider
)
select
  rank() over (order by events desc) as rank,
  provider,
  events,
  events / sum(events) over () as share,
  previous_events,
  events / nullif(previous_events, 0) - 1 as change,
  accounts,
  clusters
from counted
where events > 0
order by events desc, provider nulls last
limit $limit
