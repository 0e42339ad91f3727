-- Returns how far markets without a resolution had come.
-- Parameters: conditions (text[]), as_of (timestamptz; NULL: all that is known). Rows: condition_id, state.
select c.condition_id, o.verdict
from unnest(%(conditions)s::text[]) as c (condition_id)
cross join lateral (
  select o.verdict from public.resolution_observations o
  where o.condition_id = c.condition_id and o.source = 'tracker' and o.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  order by o.observed_at desc limit 1) o
