-- title: Bursts
-- question: In which hours did a user, or a cluster, have far more events than in its own usual hours?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   per_cluster boolean = false: compare the hours of each cluster instead of each user
--   score double = 3.5: at least so far from the usual
--   events bigint = 10: at least so many events in the hour
--   hours bigint = 12: judge only who has events in at least so many hours of the period
--   limit bigint = none: at most so many rows; none is all
-- columns:
--   hour timestamp: its first moment, UTC
--   subject varchar: the user or the cluster; null where the records name none
--   events bigint [events]: in that hour
--   denied bigint [events]: of them forbidden, or answered with 401 or 403
--   usual double [events]: median of the subject's hours with events
--   spread double [events]: median distance from that median, at least 1
--   score double [robust z]: 0.6745 * (events - usual) / spread
-- order: score desc, hour, subject
-- reads: period
-- notes: A robust z-score: median and median absolute deviation, so that the burst itself does not raise the bar; 3.5 is
--   the customary limit (Iglewicz and Hoaglin, 1993). Only hours with events count as usual, for silence may mean that
--   nothing matched a rule. It knows neither the time of day nor weekdays: a nightly job that runs once is a burst each
--   night. Who has too few hours is not judged, so that newcomers are not here (see first_seen_users), and who is loud
--   in most hours has no bursts. A burst is a reason to look, not a finding. Hours are cut at the full hour: a burst
--   across one is split.
with hourly as (
  select
    date_trunc('hour', time) as hour,
    if($per_cluster, cluster, "user") as subject,
    count(*) as events,
    count(*) filter (where decision = 'forbid' or status_code in (401, 403)) as denied
  from events
  where time >= $period_start and time < $period_end
  group by 1, 2
),
usual as (
  select
    subject,
    cast(median(events) as double) as usual,
    greatest(cast(mad(events) as double), 1.0) as spread
  from hourly
  group by subject
  having count(*) >= $hours
),
scored as (
  select
    hourly.hour,
    hourly.subject,
    hourly.events,
    hourly.denied,
    usual.usual,
    usual.spread,
    0.6745 * (hourly.events - usual.usual) / usual.spread as score
  from hourly
  join usual on hourly.subject is not distinct from usual.subject
)
select hour, subject, events, denied, usual, spread, cast(score as double) as score
from scored
where score >= $score and events >= $events
order by score desc, hour, subject
limit $limit
