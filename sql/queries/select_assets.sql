-- Returns the numbers of tokens.
-- Parameters: tokens (text[]).
-- Rows: token_id, asset_key, whether its condition is known; one for each token.
select token_id, asset_key, condition_id is not null from public.assets where token_id = any(%(tokens)s::text[])
