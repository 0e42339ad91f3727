-- Returns about how many markets there are open contradictions.
-- Parameters: none. Rows: one: a number.
select count(distinct condition_id) from public.resolution_conflicts where cleared_at is null
