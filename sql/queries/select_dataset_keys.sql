-- Returns the numbers of the tokens of these markets.
-- Parameters: conditions (text[]). Rows: asset_key.
select a.asset_key from public.assets a where a.condition_id = any (%(conditions)s::text[]) order by 1
