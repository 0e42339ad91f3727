-- Stores markets that are new, in their order.
-- Parameters: markets (JSON array of Market, each condition_id once). Rows: condition_id of each that was stored.
with given as (
  select * from jsonb_to_recordset(%(markets)s::jsonb) as m (
    condition_id text, question text, slug text, gamma_id text, end_at timestamptz, started_at timestamptz,
    closed boolean, active boolean, neg_risk boolean, version text, volume numeric, tags text[])
)
insert into public.markets (condition_id, question, slug, gamma_id, end_date, started_at,
                     closed, active, neg_risk, version, volume, tags)
select condition_id, question, slug, gamma_id, end_at, started_at,
       closed, active, neg_risk, version, volume, tags
from given g where not exists (select from public.markets m where m.condition_id = g.condition_id offset 0)
order by condition_id
on conflict do nothing
returning condition_id
