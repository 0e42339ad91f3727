-- Returns the resolutions whose next recheck falls due in a period. Without a start the
-- period starts ten minutes before the last evidence was written, at most 30 days ago.
-- Parameters: since (timestamptz or NULL), until (timestamptz), stages (interval[]: ages of a
-- resolution at which it is rechecked), after (condition_id, '' at first), limit (rows at most).
-- Rows: condition_id, recorded_at (ms), due_at (ms), the resolution as JSON, the market as JSON,
-- the contradictions that are open or acknowledged as JSON (pairs of source and outcome); by condition_id.
with period as (
  select greatest(%(until)s - interval '30 days',
                  coalesce(%(since)s, (select max(recorded_at) - interval '10 minutes' from public.resolution_observations),
                           %(until)s)) as since
), due as (
  select recheck.condition_id, min(recheck.at) as at
  from period cross join unnest(%(stages)s::interval[]) as stage
  cross join lateral (    -- its own step, so that it is one range of resolutions_recorded_at
    select r.condition_id, r.recorded_at + stage as at from public.resolutions r
    where r.recorded_at > period.since - stage and r.recorded_at <= %(until)s - stage
    offset 0) as recheck
  where recheck.condition_id > %(after)s
  group by recheck.condition_id order by recheck.condition_id limit %(limit)s
)
select r.condition_id, (extract(epoch from r.recorded_at) * 1000)::bigint, (extract(epoch from due.at) * 1000)::bigint,
       json_build_object(
         'condition_id', r.condition_id, 'kind', r.kind, 'winning_token_id', r.winning_token_id,
         'winning_outcome', r.winning_outcome, 'payouts', r.payouts::text[],
         'by_token', coalesce(
           (select json_agg(json_build_object('token_id', p.token_id, 'outcome', p.outcome, 'payout', trim_scale(p.payout)::text)
                            order by a.outcome_index, p.token_id)
            from public.resolution_payouts p left join public.assets a using (token_id)
            where p.condition_id = r.condition_id),
           '[]'::json),
         'resolved_at_ms', (extract(epoch from r.resolved_at) * 1000)::bigint, 'sources', r.sources)::text,
       json_build_object(
         'condition_id', r.condition_id, 'question', '', 'slug', '', 'version', coalesce(m.version, 'v1'), 'end_at', m.end_date,
         'assets', coalesce(
           (select json_agg(json_build_object('token_id', a.token_id, 'outcome', coalesce(a.outcome, ''),
                                              'outcome_index', a.outcome_index) order by a.outcome_index, a.asset_key)
            from public.assets a where a.condition_id = m.condition_id and a.outcome_index is not null),
           '[]'::json))::text,
       (select coalesce(json_agg(json_build_array(c.source, c.observed)), '[]'::json)::text
        from public.resolution_conflicts c
        where c.condition_id = r.condition_id and c.kind = 'outcome' and c.source <> 'verdict'
          and (c.cleared_at is null or c.cleared_by like 'acknowledged: %%'))
from due
cross join lateral (select * from public.resolutions r where r.condition_id = due.condition_id offset 0) as r
left join lateral (select * from public.markets m where m.condition_id = due.condition_id offset 0) as m on true
order by r.condition_id
