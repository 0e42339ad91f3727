-- Ends the open contradictions of a kind about markets; one that was found later stays open.
-- Parameters: clearances (JSON array of Clearance). Rows: none.
with given as (
  select condition_id, kind, to_timestamp(cleared_at_ms / 1000.0) as cleared_at, reason
  from jsonb_to_recordset(%(clearances)s::jsonb) as c (
    condition_id text, kind text, cleared_at_ms bigint, reason text)
)
update public.resolution_conflicts c set cleared_at = g.cleared_at, cleared_by = g.reason, clearance_recorded_at = now()
from given g
where c.condition_id = g.condition_id and c.kind = g.kind and c.cleared_at is null and c.detected_at <= g.cleared_at
