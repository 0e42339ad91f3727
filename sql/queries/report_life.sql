-- Tells from when until when a market was listened to or missed.
-- Parameters: market.
-- Rows: one: the first and the last time, or NULLs.
select min(lower(part.during)), max(upper(part.during))
from public.assets a
cross join lateral (
  select c.during from public.coverage c where c.token_id = a.token_id
  union all
  select g.gap from public.coverage_gaps(a.token_id, null, null) g) part
where a.condition_id = %(market)s
