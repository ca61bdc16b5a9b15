-- title: Runs that brought the record in
-- question: Which runs brought in the records of the period, and what did each receive?
-- parameters:
--   period_start timestamp: first moment of the period
--   period_end timestamp: first moment after it
-- columns:
--   seq bigint [entry]: number of the ledger entry
--   snapshot varchar: its id
--   type varchar: snapshot or import
--   at timestamp: when it was committed
--   console varchar: base URL of the Console; null for imports
--   filtered boolean: whether the run asked for a part of the events only
--   received bigint [records]: read from the source by the whole run
--   new bigint [records]: of these, stored for the first time
--   duplicate bigint [records]: of these, already held
--   rejected bigint [records]: of these, not readable as an event, kept verbatim
--   skipped bigint [records]: look-alikes that are no audit events
--   records_in_period bigint [records]: stored by this run, with a time in the period
--   tool varchar: program and version
--   host varchar: machine
--   actor varchar: operator
-- order: seq
-- reads: period
-- notes: Received, new, duplicate, rejected and skipped count the whole entry, which may reach beyond the period.
select s.seq, s.snapshot, s.type, s.at, s.console, s.filtered, s.received, s.new, s.duplicate, s.rejected, s.skipped,
  coalesce(r.records, 0) as records_in_period, s.tool, s.host, s.actor
from snapshots as s
left join (
  select snapshot, count(*) as records
  from records
  where time >= $period_start and time < $period_end
  group by snapshot
) as r on r.snapshot = s.snapshot
where r.records > 0
  or s.snapshot in (select snapshot from windows where start < $period_end and "end" > $period_start)
order by s.seq
