-- Returns when each token of a market was listened to within a time and no trade of it is missing that the database rejected.
-- Parameters: condition, from, until (timestamptz).
-- Rows: token_id, since, until; both NULL for a token that was not listened to then. Those of a token do not overlap.
-- By token in either table, as in the view `coverage`, which would read all tokens here.
select a.token_id, lower(heard.during), upper(heard.during)
from public.assets a
left join lateral (
  select unnest(range_agg(tstzrange(c.since, c.until)) - coalesce((
           select range_agg(m.uncovered) from public.rejected_messages m
           where m.doubt = a.token_id and m.uncovered is not null and m.taken_in_at is null), '{}')) as during
  from (
    select greatest(r.from_at, %(from)s) as since, least(r.until_at, %(until)s) as until from tracker.coverage_ranges r
    where r.asset_key = a.asset_key and r.from_at < %(until)s and r.until_at > %(from)s
    union all
    select greatest(n.from_at, %(from)s), least(n.until_at, %(until)s) from tracker.listening_now n
    where n.asset_key = a.asset_key and n.from_at < %(until)s and n.until_at > %(from)s) c) heard on true
where a.condition_id = %(condition)s
