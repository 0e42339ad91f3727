-- Counts those of some trades that are not stored. Looked up one by one (LIMIT), since the planner cannot know how few
-- they are.
-- Parameters: arrays of equal length, binary: traded (timestamptz), hashes (bigint), assets (asset_key); first, last (the
-- earliest and the latest time among them).
-- Rows: one: how many.
select count(*)
from unnest(%(traded)b::timestamptz[], %(hashes)b::bigint[], %(assets)b::integer[])
  as g (traded_at, trade_hash, asset_key)
left join lateral (
  select true as there from tracker.trades p
  where (p.asset_key, p.traded_at, p.trade_hash) = (g.asset_key, g.traded_at, g.trade_hash)
    and p.traded_at between %(first)s and %(last)s
  limit 1) as p on true
where p.there is null
