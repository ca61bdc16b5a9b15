-- title: The Console's count against the rows received
-- question: Did the Console's own count agree with the rows received, window by window?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   start timestamp: first moment of the window
--   end timestamp: first moment after it
--   console varchar: base URL of the Console
--   total_before bigint [events]: the Console's Total-Count before the window was read
--   total_after bigint [events]: the same afterwards
--   received bigint [events]: rows received
--   stable boolean: whether all three are equal
--   snapshot varchar: id of the ledger entry
-- order: start, end, snapshot
-- reads: period
-- notes: A window that was not stable was read again; each reading is a row.
select start, "end", console, total_before, total_after, received, stable, snapshot
from windows
where start < $period_end and "end" > $period_start
order by start, "end", snapshot, total_before, total_after, received
