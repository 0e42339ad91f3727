-- Tells when the tokens of some markets were listened to, and when they were wanted and not listened to.
-- Parameters: start, end, markets (their ids), most (rows).
-- Rows, in the order of their start: condition_id, token_id, start, end, cause (empty: listened to).
select a.condition_id, a.token_id, lower(part.during), upper(part.during), part.cause
from public.assets a
cross join lateral (
  select c.during * tstzrange(%(start)s, %(end)s) as during, '' as cause
  from public.coverage c where c.token_id = a.token_id and c.during && tstzrange(%(start)s, %(end)s)
  union all
  select g.gap, g.cause from public.coverage_gaps(a.token_id, %(start)s, %(end)s) g) part
where a.condition_id = any(%(markets)s)
order by 3, 4, 1, 2 limit %(most)s
