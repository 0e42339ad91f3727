-- Returns the next markets without a resolution, those that have ended as JSON: they are closed, or their planned end
-- is over. One range of the primary key of `unresolved`, so its time does not grow with the tables.
-- Parameters: after (condition_id, '' at first), limit (rows at most).
-- Rows: condition_id, the market as JSON or NULL when it has not ended or its tokens are not known; by condition_id.
with page as materialized (
  select u.condition_id from tracker.unresolved u where u.condition_id > %(after)s order by u.condition_id limit %(limit)s
)
select page.condition_id, ended.market
from page
left join lateral (    -- its own step, so that each market is one look into each index
  select json_build_object(
           'condition_id', m.condition_id, 'question', m.question, 'slug', m.slug, 'gamma_id', m.gamma_id,
           'end_at', m.end_date, 'started_at', m.started_at, 'closed', m.closed, 'active', m.active,
           'neg_risk', m.neg_risk, 'version', m.version, 'volume', m.volume::text, 'tags', m.tags,
           'assets', named.assets)::text as market
  from public.markets m
  cross join lateral (
    select json_agg(json_build_object('token_id', a.token_id, 'outcome', coalesce(a.outcome, ''),
                                      'outcome_index', a.outcome_index) order by a.outcome_index, a.asset_key) as assets
    from public.assets a where a.condition_id = m.condition_id and a.outcome_index is not null) as named
  where m.condition_id = page.condition_id and (m.closed or m.end_date <= now()) and named.assets is not null
    and not exists (select from public.resolutions r where r.condition_id = m.condition_id)
  offset 0) as ended on true
order by page.condition_id
