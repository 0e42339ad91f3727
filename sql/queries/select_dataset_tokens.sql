-- Returns the tokens with these numbers.
-- Parameters: keys (integer[]). Rows: asset_key, token_id, condition_id.
select a.asset_key, a.token_id, a.condition_id from public.assets a where a.asset_key = any (%(keys)s::integer[])
