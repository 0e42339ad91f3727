-- Returns what was stored about a market by now.
-- Parameters: condition_id, kind (of contradictions). Rows: one: whether it is listed, whether it has a
-- resolution, whether a contradiction of this kind is open (boolean each).
select exists (select from public.markets where condition_id = %(condition_id)s),
       exists (select from public.resolutions where condition_id = %(condition_id)s),
       exists (select from public.resolution_conflicts
               where condition_id = %(condition_id)s and kind = %(kind)s and cleared_at is null)
