-- Returns those of some markets that are not stored.
-- Parameters: conditions (JSON array of texts). Rows: condition_id.
select c.condition_id from jsonb_array_elements_text(%(conditions)s::jsonb) as c (condition_id)
where not exists (select from public.markets m where m.condition_id = c.condition_id offset 0)
