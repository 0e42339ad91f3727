-- Stores audits; a later one replaces what is stored, and an unknown one only another unknown. The chain is asked about what
-- the Data API and the database disagree about: where they agree in everything later, what it said is over and deleted.
-- Parameters: audits (JSON array of Audit). Rows: none.
with over as (
  delete from public.audits c
  using jsonb_to_recordset(%(audits)s::jsonb) as d (
    condition_id text, hour_ms bigint, witness text, result text, checked_at_ms bigint)
  where d.witness = 'data' and d.result = 'complete' and c.witness = 'chain' and c.condition_id = d.condition_id
    and c.hour = to_timestamp(d.hour_ms / 1000.0) and c.checked_at <= to_timestamp(d.checked_at_ms / 1000.0)
)
insert into public.audits as stored (condition_id, hour, witness, theirs, ours, missing, outside_gaps, unmatched, result,
                                     checked_at, evidence)
select distinct on (condition_id, hour_ms, witness)
       condition_id, to_timestamp(hour_ms / 1000.0), witness, theirs, ours, missing, outside_gaps, unmatched, result,
       to_timestamp(checked_at_ms / 1000.0), evidence::jsonb
from jsonb_to_recordset(%(audits)s::jsonb) as a (
  condition_id text, hour_ms bigint, witness text, theirs integer, ours integer, missing integer, outside_gaps integer,
  unmatched integer, result text, checked_at_ms bigint, evidence text)
order by condition_id, hour_ms, witness, result = 'unknown', checked_at_ms desc
on conflict (condition_id, hour, witness) do update
set theirs = excluded.theirs, ours = excluded.ours, missing = excluded.missing, outside_gaps = excluded.outside_gaps,
    unmatched = excluded.unmatched, result = excluded.result, checked_at = excluded.checked_at, evidence = excluded.evidence
where excluded.checked_at >= stored.checked_at and (excluded.result <> 'unknown' or stored.result = 'unknown')
