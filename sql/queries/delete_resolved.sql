-- Removes markets from the memory of those without a resolution: they have one.
-- Parameters: conditions (text[]). Rows: none.
delete from unresolved where condition_id = any(%(conditions)s::text[])
