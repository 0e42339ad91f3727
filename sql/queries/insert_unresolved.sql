-- Remembers markets that have no resolution, in their order.
-- Parameters: conditions (JSON array of texts). Rows: none.
insert into tracker.unresolved (condition_id)
select distinct c.condition_id from jsonb_array_elements_text(%(conditions)s::jsonb) as c (condition_id)
where not exists (select from public.resolutions r where r.condition_id = c.condition_id offset 0)
  and not exists (select from tracker.unresolved u where u.condition_id = c.condition_id offset 0)
order by c.condition_id
on conflict do nothing
