-- Returns what was known of markets when.
-- Parameters: conditions (text[]), as_of (timestamptz; NULL: all that is known). Rows: condition_id, known_at, changes (text).
select h.condition_id, h.known_at, h.changes::text from public.market_history h
where h.condition_id = any (%(conditions)s::text[]) and h.known_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by h.condition_id, h.known_at
