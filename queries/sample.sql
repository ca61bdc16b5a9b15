-- title: Sample for auditors
-- question: Which events does a seeded random draw pick, so that an auditor can trace them to their source?
-- parameters:
--   period_start timestamp: first moment of the period, UTC
--   period_end timestamp: first moment after it, UTC
--   seed bigint = 1: another number draws other events; the same number draws the same
--   limit bigint = 25: so many events
-- columns:
--   place bigint [place]: in the order of the draw
--   time timestamp: of the request, UTC
--   user varchar: the authenticated user
--   action varchar: verb of the request
--   resource varchar: such as pods
--   namespace varchar: null for what belongs to the whole cluster
--   name varchar: of the object
--   cluster varchar: name
--   source_format varchar: form of the record as it came in
--   event_id varchar: hex, names the event in the archive
--   leaf varchar: SHA-256 of the record's exact text, as in the digests of the ledger
-- order: place
-- reads: period
-- notes: Events are ordered by SHA-256 of the seed, a colon and the event's id in lower-case hex, and the first are taken:
--   anybody can repeat the draw. A larger limit keeps the smaller draw and adds to it. Agree on the seed before looking.
with drawn as (
  select *, sha256(concat(cast($seed as varchar), ':', lower(hex(event_id)))) as draw
  from events
  where time >= $period_start and time < $period_end
)
select
  row_number() over (order by draw) as place,
  time,
  "user",
  action,
  resource,
  namespace,
  name,
  cluster,
  source_format,
  lower(hex(event_id)) as event_id,
  sha256(raw) as leaf
from drawn
order by place
limit $limit
