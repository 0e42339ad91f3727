-- Returns when tokens were listened to, in a time span.
-- Parameters: tokens (text[]), from_at, to_at. Rows: token_id, from_at, until_at, known_at; in order.
select c.token_id, greatest(lower(c.during), %(from_at)s::timestamptz), least(upper(c.during), %(to_at)s::timestamptz), c.known_at
from public.coverage c
where c.token_id = any (%(tokens)s::text[]) and c.during && tstzrange(%(from_at)s::timestamptz, %(to_at)s::timestamptz)
order by c.token_id collate "C", lower(c.during)
