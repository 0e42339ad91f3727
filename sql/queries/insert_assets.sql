-- Numbers tokens that have no number yet, and adds the condition where a print tells it first.
-- In the order of the tokens, whatever the plan: two trackers that meet the same new tokens
-- then wait for each other instead of deadlocking.
-- Parameters: tokens (text[]), conditions (text[], NULL where not told). Rows: none.
with given as (
  select * from unnest(%(tokens)s::text[], %(conditions)s::text[]) as g (token_id, condition_id)
), named as (
  update assets a set condition_id = g.condition_id from given g
  where a.token_id = g.token_id and a.condition_id is null and g.condition_id is not null
)
insert into assets (token_id, condition_id)
select g.token_id, g.condition_id from given g
where not exists (select from assets a where a.token_id = g.token_id)
order by g.token_id
on conflict do nothing
