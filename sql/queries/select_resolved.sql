-- Returns those of some markets that have a resolution.
-- Parameters: conditions (text[]). Rows: condition_id; one for each market.
select condition_id from public.resolutions where condition_id = any(%(conditions)s::text[])
