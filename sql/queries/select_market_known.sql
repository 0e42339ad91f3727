-- Returns whether a market is known, from a listing, a trade or a resolution.
-- Parameters: condition_id. Rows: one: boolean.
select exists (select from markets where condition_id = %(condition_id)s)
    or exists (select from assets where condition_id = %(condition_id)s)
    or exists (select from resolutions where condition_id = %(condition_id)s)
