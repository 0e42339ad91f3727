-- Stores markets that are new, in their order.
-- Parameters: markets (JSON array of Market, each condition_id once). Rows: condition_id of each that was stored.
with given as (
  select m.*, d.*
  from jsonb_to_recordset(%(markets)s::jsonb) as m (
    condition_id text, question text, slug text, gamma_id text, end_at timestamptz, started_at timestamptz,
    closed boolean, active boolean, neg_risk boolean, version text, volume numeric, tags text[], details jsonb)
  left join lateral jsonb_to_record(nullif(m.details, 'null')) as d (
    event jsonb, neg_risk_market_id text, group_title text, game_start timestamptz, closed_time timestamptz,
    tick_size numeric, fee_schedule text, description text) on true
)
insert into public.markets (condition_id, question, slug, gamma_id, end_date, started_at,
                     closed, active, neg_risk, version, volume, tags, event_id, neg_risk_market_id,
                     group_title, game_start, closed_time, tick_size, fee_schedule, description)
select condition_id, question, slug, gamma_id, end_at, started_at,
       closed, active, neg_risk, version, volume, tags, event ->> 'event_id', neg_risk_market_id,
       group_title, game_start, closed_time, tick_size, fee_schedule::jsonb, description
from given g where not exists (select from public.markets m where m.condition_id = g.condition_id offset 0)
order by condition_id
on conflict do nothing
returning condition_id
