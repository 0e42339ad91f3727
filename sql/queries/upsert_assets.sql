-- Stores the names of the tokens of markets; gives a number to new tokens. A name or index that is known stays:
-- what tells another one opens a contradiction, once, and none when a person has acknowledged it. Updates come
-- first, since an upsert would use up one number for every known token. Known tokens are
-- looked up one by one (LIMIT): the planner cannot know how few they are, and would read
-- the whole table for them each time.
-- Parameters: markets (JSON array of Market, each condition_id once).
-- Rows: condition_id of each market about which a contradiction was opened.
with given as (
  select m.condition_id, a.token_id, nullif(a.outcome, '') as outcome, a.outcome_index
  from jsonb_to_recordset(%(markets)s::jsonb) as m (condition_id text, assets jsonb)
  cross join lateral jsonb_to_recordset(m.assets) as a (token_id text, outcome text, outcome_index integer)
), looked_up as materialized (
  select g.*, a.asset_key, nullif(a.outcome, '') as known, a.outcome_index as known_index,
         (a.condition_id, nullif(a.outcome, ''), a.outcome_index) is distinct from
           (g.condition_id, coalesce(nullif(a.outcome, ''), g.outcome), coalesce(a.outcome_index, g.outcome_index))
           as adds
  from given g
  left join lateral (select * from public.assets a where a.token_id = g.token_id limit 1) a on true
), changed as (
  update public.assets a
  set condition_id = g.condition_id, outcome = coalesce(nullif(a.outcome, ''), g.outcome),
      outcome_index = coalesce(a.outcome_index, g.outcome_index)
  from looked_up g
  where a.asset_key = any (array(select l.asset_key from looked_up l where l.asset_key is not null and l.adds))
    and a.token_id = g.token_id
), added as (
  insert into public.assets (token_id, condition_id, outcome, outcome_index)
  select g.token_id, g.condition_id, g.outcome, g.outcome_index from looked_up g
  where g.asset_key is null
  order by g.token_id
  on conflict (token_id) do update
  set condition_id = excluded.condition_id, outcome = coalesce(nullif(assets.outcome, ''), excluded.outcome),
      outcome_index = coalesce(assets.outcome_index, excluded.outcome_index)
), contradicted as (
  select condition_id, known_index, known as recorded, outcome as observed, false as by_index
  from looked_up where known <> outcome
  union all
  select condition_id, known_index, 'index ' || known_index, 'index ' || outcome_index, true
  from looked_up where known_index <> outcome_index and (known = outcome or known is null or outcome is null)
), opened as (
  insert into public.resolution_conflicts (condition_id, detected_at, recorded, observed, source, kind)
  -- Apart by a microsecond, because the time is in the key.
  select c.condition_id,
         now() + interval '1 microsecond' * row_number() over (partition by c.condition_id order by c.known_index),
         c.recorded, c.observed, 'gamma', 'mapping'
  from contradicted c
  where not exists (
    select from public.resolution_conflicts k
    where k.condition_id = c.condition_id and k.kind = 'mapping'
      and ((k.recorded, k.observed) = (c.recorded, c.observed) or (k.recorded, k.observed) = (c.observed, c.recorded))
      -- That a list has another order is no news twice: no source can settle it.
      and (k.cleared_at is null or k.cleared_by like 'acknowledged: %%' or c.by_index)
    offset 0)
  order by c.condition_id, c.known_index
  on conflict do nothing
  returning condition_id
)
select distinct condition_id from opened order by condition_id
