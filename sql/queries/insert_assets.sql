-- Gives a number to tokens that have none, and adds the condition of a token if a trade is the
-- first to name it. Both in the order of the tokens, whatever the plan: two trackers with the same
-- new tokens then wait for each other instead of deadlocking. Remembers the conditions that have no
-- resolution.
-- Parameters: tokens (text[]), conditions (text[], NULL where unknown). Rows: none.
with given as (
  select * from unnest(%(tokens)s::text[], %(conditions)s::text[]) as g (token_id, condition_id)
), without_condition as (
  select a.asset_key, g.condition_id from public.assets a join given g using (token_id)
  where a.condition_id is null and g.condition_id is not null
  order by token_id for no key update of a
), completed as (
  update public.assets a set condition_id = n.condition_id from without_condition n where a.asset_key = n.asset_key
), remembered as (
  insert into tracker.unresolved (condition_id)
  select distinct g.condition_id from given g
  where g.condition_id is not null
    and not exists (select from public.resolutions r where r.condition_id = g.condition_id)
    and not exists (select from tracker.unresolved u where u.condition_id = g.condition_id)
  order by g.condition_id
  on conflict do nothing
)
insert into public.assets (token_id, condition_id)
select g.token_id, g.condition_id from given g
where not exists (select from public.assets a where a.token_id = g.token_id)
order by g.token_id
on conflict do nothing
