-- Stores observations; one that is there already is left out.
-- Parameters: observations (JSON array of {condition_id, source, observed_at_ms,
-- verdict, reason, payouts, payload}, payload being JSON text). Rows: none.
insert into resolution_observations (condition_id, source, observed_at, verdict, reason, payouts, payload)
select condition_id, source, to_timestamp(observed_at_ms / 1000.0), verdict, reason,
       nullif(payouts, 'null'::jsonb), payload::jsonb
from jsonb_to_recordset(%(observations)s::jsonb) as o (
  condition_id text, source text, observed_at_ms bigint, verdict text, reason text, payouts jsonb, payload text)
on conflict do nothing
