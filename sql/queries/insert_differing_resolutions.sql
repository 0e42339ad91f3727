-- Stores resolutions that differ from the recorded one (from a second tracker, for example) as
-- conflicts, each once. Runs after insert_resolutions.
-- Parameters: resolutions (JSON array of Resolution). Rows: none.
insert into public.resolution_conflicts (condition_id, detected_at, recorded, observed, source)
select d.condition_id, now(), d.recorded, d.observed, 'verdict'
from (
  select r.condition_id, coalesce('winner ' || r.winning_token_id, r.kind) as recorded,
         coalesce('winner ' || g.winning_token_id, g.kind) as observed
  from jsonb_to_recordset(%(resolutions)s::jsonb) as g (condition_id text, kind text, winning_token_id text)
  cross join lateral (select * from public.resolutions known where known.condition_id = g.condition_id offset 0) r
  where (r.kind, r.winning_token_id) is distinct from (g.kind, g.winning_token_id)) as d
where not exists (
  select from public.resolution_conflicts c
  where c.condition_id = d.condition_id and c.source = 'verdict'
    and (c.recorded, c.observed) = (d.recorded, d.observed)
  offset 0)
on conflict do nothing
