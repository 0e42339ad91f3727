-- Returns when each token of a market was listened to within a time; the spans of a token may overlap.
-- Parameters: condition, from, until (timestamptz).
-- Rows: token_id, since, until; both NULL for a token that was not listened to then.
-- By token in either table, as in the view `coverage`, which would read all tokens here.
select a.token_id, c.since, c.until
from public.assets a
left join lateral (
  select greatest(r.from_at, %(from)s) as since, least(r.until_at, %(until)s) as until from tracker.coverage_ranges r
  where r.asset_key = a.asset_key and r.from_at < %(until)s and r.until_at > %(from)s
  union all
  select greatest(n.from_at, %(from)s), least(n.until_at, %(until)s) from tracker.listening_now n
  where n.asset_key = a.asset_key and n.from_at < %(until)s and n.until_at > %(from)s) c on true
where a.condition_id = %(condition)s
