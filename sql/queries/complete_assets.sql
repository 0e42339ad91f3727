-- Adds the condition of tokens that have none, if a trade is the first to name it; in the order of the tokens.
-- Parameters: tokens (JSON array of {token_id, condition_id or null}). Rows: none.
with without_condition as (
  select a.asset_key, g.condition_id from public.assets a
  join jsonb_to_recordset(%(tokens)s::jsonb) as g (token_id text, condition_id text) using (token_id)
  where a.condition_id is null and g.condition_id is not null
  order by token_id for no key update of a
)
update public.assets a set condition_id = n.condition_id from without_condition n where a.asset_key = n.asset_key
