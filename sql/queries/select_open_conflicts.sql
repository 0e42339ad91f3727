-- Returns the markets about which there are open contradictions, with the resolution of those that have one.
-- Parameters: limit (rows at most).
-- Rows: condition_id, kind; recorded_at (ms), the present (ms), the resolution as JSON, the market as JSON, known
-- contradictions as JSON (pairs of source and outcome), all NULL for a market without a resolution; by condition_id,
-- kind.
with page as materialized (
  select distinct c.condition_id, c.kind from public.resolution_conflicts c where c.cleared_at is null
  order by c.condition_id, c.kind limit %(limit)s
)
select page.condition_id, page.kind, (extract(epoch from r.recorded_at) * 1000)::bigint,
       (extract(epoch from now()) * 1000)::bigint, r.resolution, r.market, r.contradictions
from page
left join lateral (
  select r.recorded_at,
         json_build_object(
           'condition_id', r.condition_id, 'kind', r.kind, 'winning_token_id', r.winning_token_id,
           'winning_outcome', r.winning_outcome, 'payouts', r.payouts::text[],
           'by_token', coalesce(
             (select json_agg(json_build_object('token_id', p.token_id, 'outcome', p.outcome, 'payout', trim_scale(p.payout)::text)
                              order by a.outcome_index, p.token_id)
              from public.resolution_payouts p left join public.assets a using (token_id)
              where p.condition_id = r.condition_id),
             '[]'::json),
           'resolved_at_ms', (extract(epoch from r.resolved_at) * 1000)::bigint, 'sources', r.sources)::text as resolution,
         json_build_object(
           'condition_id', r.condition_id, 'question', '', 'slug', '', 'version', coalesce(m.version, 'v1'),
           'end_at', m.end_date,
           'assets', coalesce(
             (select json_agg(json_build_object('token_id', a.token_id, 'outcome', coalesce(a.outcome, ''),
                                                'outcome_index', a.outcome_index) order by a.outcome_index, a.asset_key)
              from public.assets a where a.condition_id = m.condition_id and a.outcome_index is not null),
             '[]'::json))::text as market,
         (select coalesce(json_agg(json_build_array(c.source, c.observed)), '[]'::json)::text
          from public.resolution_conflicts c
          where c.condition_id = r.condition_id and c.kind = 'outcome' and c.source <> 'verdict'
            and (c.cleared_at is null or c.cleared_by like 'acknowledged: %%')) as contradictions
  from public.resolutions r
  left join public.markets m using (condition_id)
  where r.condition_id = page.condition_id
  offset 0) as r on true
order by page.condition_id, page.kind
