-- Stores audits; a later one replaces what is stored, and an unknown one only another unknown.
-- Parameters: audits (JSON array of Audit). Rows: none.
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
