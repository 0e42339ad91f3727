-- Returns markets that need listening: they are not closed and have no resolution.
-- Its time does not grow with the markets that are closed: see the index markets_open.
-- Parameters: after (condition_id, '' at first), limit (rows at most).
-- Rows: condition_id, the market as JSON; by condition_id.
select m.condition_id,
       json_build_object(
         'condition_id', m.condition_id, 'question', m.question, 'slug', m.slug, 'gamma_id', m.gamma_id,
         'end_at', m.end_date, 'started_at', m.started_at, 'closed', m.closed, 'active', m.active,
         'neg_risk', m.neg_risk, 'version', m.version, 'volume', m.volume::text, 'tags', m.tags,
         'assets', coalesce(
           (select json_agg(json_build_object('token_id', a.token_id, 'outcome', coalesce(a.outcome, ''),
                                              'outcome_index', a.outcome_index) order by a.outcome_index, a.asset_key)
            from assets a where a.condition_id = m.condition_id and a.outcome_index is not null),
           '[]'::json))::text
from markets m
where m.condition_id > %(after)s and not m.closed
  and not exists (select from resolutions r where r.condition_id = m.condition_id)
order by m.condition_id
limit %(limit)s
