-- Stores resolutions that differ from the recorded one (from a second tracker, for example) as
-- conflicts. Runs after insert_resolutions.
-- Parameters: resolutions (JSON array of Resolution). Rows: none.
insert into resolution_conflicts (condition_id, detected_at, recorded, observed, source)
select r.condition_id, now(), coalesce('winner ' || r.winning_token_id, r.kind),
       coalesce('winner ' || g.winning_token_id, g.kind), 'verdict'
from jsonb_to_recordset(%(resolutions)s::jsonb) as g (
  condition_id text, kind text, winning_token_id text, payouts numeric[])
join resolutions r using (condition_id)
where (r.kind, r.winning_token_id, r.payouts) is distinct from (g.kind, g.winning_token_id, g.payouts)
on conflict do nothing
