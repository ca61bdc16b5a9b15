-- title: Privileged actions, counted
-- question: How many privileged actions were there of each kind, and of each user on each day?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   kind varchar: what makes them privileged; null where a user's day is counted
--   user varchar: the authenticated user; null where a kind is counted, and where the record names none
--   date date: UTC; null where a kind is counted
--   actions bigint [events]: of the kind, or of the user on the day
-- order: kind, user, date
-- reads: period
-- notes: What a period is compared with needs no more than this. Both counts have the same sum.
select kind, "user", cast(time as date) as date, count(*) as actions
from privileged_actions
group by grouping sets ((kind), ("user", cast(time as date)))
order by kind, "user", date
