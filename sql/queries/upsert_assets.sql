-- Stores the names of the tokens of markets; gives a number to new tokens. Updates come
-- first, since an upsert would use up one number for every known token. Known tokens are
-- looked up one by one (LIMIT): the planner cannot know how few they are, and would read
-- the whole table for them each time.
-- Parameters: markets (JSON array of Market, each condition_id once). Rows: none.
with given as (
  select m.condition_id, a.* from jsonb_to_recordset(%(markets)s::jsonb) as m (condition_id text, assets jsonb)
  cross join lateral jsonb_to_recordset(m.assets) as a (token_id text, outcome text, outcome_index integer)
), looked_up as materialized (
  select g.*, a.asset_key,
         (a.condition_id, a.outcome, a.outcome_index) is distinct from (g.condition_id, g.outcome, g.outcome_index)
           as differs
  from given g
  left join lateral (select * from assets a where a.token_id = g.token_id limit 1) a on true
), changed as (
  update assets a set condition_id = g.condition_id, outcome = g.outcome, outcome_index = g.outcome_index
  from looked_up g
  where a.asset_key = any (array(select l.asset_key from looked_up l where l.asset_key is not null and l.differs))
    and a.token_id = g.token_id
)
insert into assets (token_id, condition_id, outcome, outcome_index)
select g.token_id, g.condition_id, g.outcome, g.outcome_index from looked_up g
where g.asset_key is null
order by g.token_id
on conflict (token_id) do update
set condition_id = excluded.condition_id, outcome = excluded.outcome, outcome_index = excluded.outcome_index
