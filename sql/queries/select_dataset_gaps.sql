-- Returns when tokens were wanted and not listened to, in a time span.
-- Parameters: tokens (text[]), from_at, to_at. Rows: token_id, from_at, until_at, cause; in order.
select t.token_id, lower(g.gap), upper(g.gap), g.cause
from unnest(%(tokens)s::text[]) as t (token_id)
cross join lateral public.coverage_gaps(t.token_id, %(from_at)s::timestamptz, %(to_at)s::timestamptz) g
order by t.token_id collate "C", 2
