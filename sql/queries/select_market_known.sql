-- Returns whether a market is known, from a listing, a trade or a resolution.
-- Parameters: condition_id. Rows: one: boolean.
select exists (select from public.markets where condition_id = %(condition_id)s)
    or exists (select from public.assets where condition_id = %(condition_id)s)
    or exists (select from public.resolutions where condition_id = %(condition_id)s)
