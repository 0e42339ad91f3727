-- Stores contradictions. One that is open is not opened again, from whichever side it is told; nor is one that was
-- found before the same one was cleared, for then this is sent once more; nor one that a person has acknowledged.
-- Parameters: contradictions (JSON array of Contradiction). Rows: none.
with given as (
  select condition_id, to_timestamp(detected_at_ms / 1000.0) as detected_at, recorded, observed, source, kind
  from jsonb_to_recordset(%(contradictions)s::jsonb) as c (
    condition_id text, detected_at_ms bigint, recorded text, observed text, source text, kind text)
)
insert into public.resolution_conflicts (condition_id, detected_at, recorded, observed, source, kind)
select * from given g
where not exists (
  select from public.resolution_conflicts c
  where c.condition_id = g.condition_id and c.kind = g.kind
    and ((c.recorded, c.observed) = (g.recorded, g.observed) or (c.recorded, c.observed) = (g.observed, g.recorded))
    and (c.cleared_at is null or c.cleared_at >= g.detected_at or c.cleared_by like 'acknowledged: %%')
  offset 0)
order by condition_id, detected_at
on conflict do nothing
