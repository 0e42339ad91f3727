-- Returns the ranges of tokens that these times touch, and the last one before them.
-- Parameters: journal; arrays of equal length: assets (asset_key), since, until (timestamptz).
-- Rows: asset_key, from_at, until_at, known_at, epoch, confirmed_seq, released_seq, cause.
select r.asset_key, r.from_at, r.until_at, r.known_at, r.epoch, r.confirmed_seq, r.released_seq, r.cause
from unnest(%(assets)s::integer[], %(since)s::timestamptz[], %(until)s::timestamptz[]) as k (asset_key, since, until)
cross join lateral (    -- with an order and a limit, so that each token is one step in the index
  select * from tracker.coverage_ranges c
  where c.asset_key = k.asset_key and c.journal_key = %(journal)s and c.from_at <= k.until
    and c.from_at >= coalesce((select b.from_at from tracker.coverage_ranges b
                               where b.asset_key = k.asset_key and b.journal_key = %(journal)s and b.from_at <= k.since
                               order by b.from_at desc limit 1), k.since)
  order by c.from_at limit 100000) r
