-- Stores markets as they are now; a row is written only if something changed.
-- Parameters: markets (JSON array of Market, each condition_id once). Rows: none.
with given as (
  select * from jsonb_to_recordset(%(markets)s::jsonb) as m (
    condition_id text, question text, slug text, gamma_id text, end_at timestamptz, started_at timestamptz,
    closed boolean, active boolean, neg_risk boolean, version text, volume numeric, tags text[])
)
insert into public.markets as old (condition_id, question, slug, gamma_id, end_date, started_at,
                            closed, active, neg_risk, version, volume, tags)
select condition_id, question, slug, gamma_id, end_at, started_at,
       closed, active, neg_risk, version, volume, tags
from given order by condition_id
on conflict (condition_id) do update
set (question, slug, gamma_id, end_date, started_at, closed, active, neg_risk, version, volume, tags, updated_at)
  = (excluded.question, excluded.slug, excluded.gamma_id, excluded.end_date, excluded.started_at, excluded.closed,
     excluded.active, excluded.neg_risk, excluded.version, excluded.volume, excluded.tags, now())
where (old.question, old.slug, old.gamma_id, old.end_date, old.started_at, old.closed,
       old.active, old.neg_risk, old.version, old.volume, old.tags)
  is distinct from (excluded.question, excluded.slug, excluded.gamma_id, excluded.end_date, excluded.started_at,
                    excluded.closed, excluded.active, excluded.neg_risk, excluded.version, excluded.volume,
                    excluded.tags)
