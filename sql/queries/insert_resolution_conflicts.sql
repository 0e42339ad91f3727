-- Stores contradictions; one that is there already is left out.
-- Parameters: contradictions (JSON array of Contradiction). Rows: none.
insert into resolution_conflicts (condition_id, detected_at, recorded, observed, source)
select condition_id, to_timestamp(detected_at_ms / 1000.0), recorded, observed, source
from jsonb_to_recordset(%(contradictions)s::jsonb) as c (
  condition_id text, detected_at_ms bigint, recorded text, observed text, source text)
on conflict do nothing
