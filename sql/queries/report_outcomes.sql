-- Tells how the outcomes of tokens are called.
-- Parameters: tokens.
-- Rows: token_id, outcome.
select a.token_id, a.outcome from public.assets a where a.token_id = any(%(tokens)s)
