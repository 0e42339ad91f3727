-- Returns the next markets without a resolution, those that are not closed as JSON: they need listening.
-- One range of the primary key of `unresolved`, so its time does not grow with the tables.
-- Parameters: after (condition_id, '' at first), limit (rows at most).
-- Rows: condition_id, the market as JSON or NULL when it is closed or not known; by condition_id.
with page as materialized (
  select u.condition_id from tracker.unresolved u where u.condition_id > %(after)s order by u.condition_id limit %(limit)s
)
select page.condition_id, open.market
from page
left join lateral (    -- its own step, so that each market is one look into each index
  select json_build_object(
           'condition_id', m.condition_id, 'question', m.question, 'slug', m.slug, 'gamma_id', m.gamma_id,
           'end_at', m.end_date, 'started_at', m.started_at, 'closed', m.closed, 'active', m.active,
           'neg_risk', m.neg_risk, 'version', m.version, 'volume', m.volume::text, 'tags', m.tags,
           'assets', coalesce(
             (select json_agg(json_build_object('token_id', a.token_id, 'outcome', coalesce(a.outcome, ''),
                                                'outcome_index', a.outcome_index) order by a.outcome_index, a.asset_key)
              from public.assets a where a.condition_id = m.condition_id and a.outcome_index is not null),
             '[]'::json))::text as market
  from public.markets m
  where m.condition_id = page.condition_id and not m.closed
    and not exists (select from public.resolutions r where r.condition_id = m.condition_id)
  offset 0) as open on true
order by page.condition_id
