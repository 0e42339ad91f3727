-- Gives a number to tokens that have none, in the order of the tokens, whatever the plan: two trackers with the same
-- new tokens then wait for each other instead of deadlocking.
-- Parameters: tokens (JSON array of {token_id, condition_id or null}). Rows: none.
insert into public.assets (token_id, condition_id)
select g.token_id, g.condition_id
from jsonb_to_recordset(%(tokens)s::jsonb) as g (token_id text, condition_id text)
where not exists (select from public.assets a where a.token_id = g.token_id offset 0)
order by g.token_id
on conflict do nothing
