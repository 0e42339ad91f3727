-- Returns the next markets of a dataset: those that were known before the end of its time and not resolved before its
-- beginning, whether they were recorded or not, and those that are named.
-- Parameters: after (condition_id), from_at, to_at, as_of (timestamptz; NULL: all that is known), conditions (text[]; NULL: all
-- markets), late (text[]), most. Rows: condition_id, in order.
select c.condition_id from (
  (select m.condition_id from public.markets m
   where m.condition_id > %(after)s and m.first_seen_at < %(to_at)s::timestamptz and m.first_seen_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
     and (%(conditions)s::text[] is null or m.condition_id = any (%(conditions)s::text[]))
     and not exists (select from public.resolutions r where r.condition_id = m.condition_id and r.recorded_at < %(from_at)s::timestamptz)
   order by m.condition_id limit %(most)s)
  union
  select late.condition_id from unnest(%(late)s::text[]) as late (condition_id) where late.condition_id > %(after)s) c
order by c.condition_id limit %(most)s
