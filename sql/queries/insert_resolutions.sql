-- Records resolutions permanently; a market that has one keeps it. One is recorded only if its evidence is stored:
-- the last observation of each of its sources is final, with the same payouts for the same tokens.
-- Parameters: resolutions (JSON array of Resolution). Rows: condition_id, winning_token_id of each that was recorded.
insert into public.resolutions (condition_id, kind, winning_token_id, winning_outcome, payouts, resolved_at, sources)
select g.condition_id, g.kind, g.winning_token_id, g.winning_outcome, g.payouts,
       to_timestamp(g.resolved_at_ms / 1000.0), g.sources
from jsonb_to_recordset(%(resolutions)s::jsonb) as g (
  condition_id text, kind text, winning_token_id text, winning_outcome text, payouts numeric[],
  resolved_at_ms bigint, sources text[], by_token jsonb)
where cardinality(g.sources) > 0
  and not exists (
    select from unnest(g.sources) as s (source)
    left join lateral (
      select * from public.resolution_observations last
      where last.condition_id = g.condition_id and last.source = s.source
      order by last.observed_at desc limit 1) as o on true
    where o.payouts is null
       or o.verdict <> coalesce('winner ' || g.winning_token_id, g.kind)
       or g.by_token <> '[]'
          and (select array_agg((p ->> 0) || ' ' || trim_scale((p ->> 1)::numeric) order by p ->> 0)
               from jsonb_array_elements(o.payouts) as p)
              is distinct from
              (select array_agg((t ->> 'token_id') || ' ' || trim_scale((t ->> 'payout')::numeric) order by t ->> 'token_id')
               from jsonb_array_elements(g.by_token) as t))
order by g.condition_id
on conflict do nothing
returning condition_id, winning_token_id
