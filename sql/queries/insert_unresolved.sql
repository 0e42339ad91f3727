-- Remembers markets that have no resolution.
-- Parameters: markets (JSON array of Market). Rows: none.
insert into tracker.unresolved (condition_id)
select m.condition_id from jsonb_to_recordset(%(markets)s::jsonb) as m (condition_id text)
where not exists (select from public.resolutions r where r.condition_id = m.condition_id)
  and not exists (select from tracker.unresolved u where u.condition_id = m.condition_id)
order by m.condition_id
on conflict do nothing
