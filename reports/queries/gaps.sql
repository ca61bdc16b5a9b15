-- title: Stretches that are missing
-- question: Which stretches of the period are known to be missing, and why?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   start timestamp: first moment of the gap; null where it has no bounds
--   end timestamp: first moment after it
--   reason varchar: dropped, unwindowed, unstable, interrupted or failed
--   console varchar: base URL of the Console
--   snapshot varchar: id of the ledger entry that recorded it
-- order: start, end, reason, console, snapshot
-- reads: period
-- notes: A gap is closed only by a later run that collected it.
select start, "end", reason, console, snapshot
from gaps
where (start is null or start < $period_end) and ("end" is null or "end" > $period_start)
order by start, "end", reason, console, snapshot
