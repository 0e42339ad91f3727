-- Locks markets in their order. Whoever writes contradictions about a market, or its resolution, holds its lock.
-- Parameters: conditions (JSON array of texts). Rows: one: how many.
select count(*) from (
  select from public.markets m
  join jsonb_array_elements_text(%(conditions)s::jsonb) as g (condition_id) using (condition_id)
  order by condition_id for no key update of m) locked
