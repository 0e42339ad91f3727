-- Removes markets from the memory of those without a resolution: they have one.
-- Parameters: conditions (text[]). Rows: none.
delete from tracker.unresolved where condition_id = any(%(conditions)s::text[])
