-- Records resolutions permanently; a market that has one keeps it.
-- Parameters: resolutions (JSON array of Resolution). Rows: none.
insert into resolutions (condition_id, kind, winning_token_id, winning_outcome, payouts, resolved_at, sources)
select condition_id, kind, winning_token_id, winning_outcome, payouts, to_timestamp(resolved_at_ms / 1000.0), sources
from jsonb_to_recordset(%(resolutions)s::jsonb) as r (
  condition_id text, kind text, winning_token_id text, winning_outcome text, payouts numeric[],
  resolved_at_ms bigint, sources text[])
order by condition_id
on conflict do nothing
