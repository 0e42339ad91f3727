-- Returns tokens that this journal wants, each with its market when that is closed and has no resolution:
-- the journal may have to say that it wants the token no more.
-- Its time does not grow with the tokens that are wanted no more: see the index wanted_open.
-- Parameters: journal (journal_key), after (asset_key, 0 at first), limit (rows at most).
-- Rows: asset_key, the market as JSON or NULL; by asset_key.
with page as materialized (
  select w.asset_key from tracker.wanted w
  where w.journal_key = %(journal)s and w.until_at is null and w.asset_key > %(after)s
  order by w.asset_key limit %(limit)s
)
select page.asset_key, closed.market
from page
left join lateral (    -- its own step, so that each token is one look into each index
  select
         json_build_object(
           'condition_id', m.condition_id, 'question', m.question, 'slug', m.slug, 'gamma_id', m.gamma_id,
           'end_at', m.end_date, 'started_at', m.started_at, 'closed', m.closed, 'active', m.active,
           'neg_risk', m.neg_risk, 'version', m.version, 'volume', m.volume::text, 'tags', m.tags,
           'assets', coalesce(
             (select json_agg(json_build_object('token_id', a.token_id, 'outcome', coalesce(a.outcome, ''),
                                                'outcome_index', a.outcome_index) order by a.outcome_index, a.asset_key)
              from public.assets a where a.condition_id = m.condition_id and a.outcome_index is not null),
             '[]'::json))::text as market
  from public.assets t join public.markets m using (condition_id)
  where t.asset_key = page.asset_key and m.closed
    and not exists (select from public.resolutions r where r.condition_id = m.condition_id)
  offset 0) as closed on true
order by page.asset_key
