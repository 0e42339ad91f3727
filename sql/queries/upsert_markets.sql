-- Stores markets as they are now; a row is written only if something changed. What is known is never replaced by
-- nothing: a market that was announced, looked up or damaged on its way tells less than a listing.
-- Parameters: markets (JSON array of Market, each condition_id once). Rows: none.
with given as (
  select m.*, d.*
  from jsonb_to_recordset(%(markets)s::jsonb) as m (
    condition_id text, question text, slug text, gamma_id text, end_at timestamptz, started_at timestamptz,
    closed boolean, active boolean, neg_risk boolean, version text, volume numeric, tags text[], details jsonb)
  left join lateral jsonb_to_record(nullif(m.details, 'null')) as d (
    event jsonb, neg_risk_market_id text, group_title text, game_start timestamptz, closed_time timestamptz,
    tick_size numeric, fee_schedule text, description text) on true
)
insert into public.markets as old (condition_id, question, slug, gamma_id, end_date, started_at,
                            closed, active, neg_risk, version, volume, tags, event_id, neg_risk_market_id,
                            group_title, game_start, closed_time, tick_size, fee_schedule, description)
select condition_id, question, slug, gamma_id, end_at, started_at,
       closed, active, neg_risk, version, volume, tags, event ->> 'event_id', neg_risk_market_id,
       group_title, game_start, closed_time, tick_size, fee_schedule::jsonb, description
from given order by condition_id
on conflict (condition_id) do update
set (question, slug, gamma_id, end_date, started_at, closed, active, neg_risk, version, volume, tags, event_id,
     neg_risk_market_id, group_title, game_start, closed_time, tick_size, fee_schedule, description, updated_at)
  = (coalesce(nullif(excluded.question, ''), old.question), coalesce(nullif(excluded.slug, ''), old.slug),
     coalesce(excluded.gamma_id, old.gamma_id), coalesce(excluded.end_date, old.end_date),
     coalesce(excluded.started_at, old.started_at), excluded.closed, excluded.active, excluded.neg_risk,
     excluded.version, coalesce(excluded.volume, old.volume), coalesce(nullif(excluded.tags, '{}'), old.tags),
     coalesce(excluded.event_id, old.event_id), coalesce(excluded.neg_risk_market_id, old.neg_risk_market_id),
     coalesce(excluded.group_title, old.group_title), coalesce(excluded.game_start, old.game_start),
     coalesce(excluded.closed_time, old.closed_time), coalesce(excluded.tick_size, old.tick_size),
     coalesce(excluded.fee_schedule, old.fee_schedule), coalesce(excluded.description, old.description), now())
where (old.question, old.slug, old.gamma_id, old.end_date, old.started_at, old.closed, old.active, old.neg_risk,
       old.version, old.volume, old.tags, old.event_id, old.neg_risk_market_id, old.group_title, old.game_start,
       old.closed_time, old.tick_size, old.fee_schedule, old.description)
  is distinct from (coalesce(nullif(excluded.question, ''), old.question),
     coalesce(nullif(excluded.slug, ''), old.slug), coalesce(excluded.gamma_id, old.gamma_id),
     coalesce(excluded.end_date, old.end_date), coalesce(excluded.started_at, old.started_at), excluded.closed,
     excluded.active, excluded.neg_risk, excluded.version, coalesce(excluded.volume, old.volume),
     coalesce(nullif(excluded.tags, '{}'), old.tags), coalesce(excluded.event_id, old.event_id),
     coalesce(excluded.neg_risk_market_id, old.neg_risk_market_id), coalesce(excluded.group_title, old.group_title),
     coalesce(excluded.game_start, old.game_start), coalesce(excluded.closed_time, old.closed_time),
     coalesce(excluded.tick_size, old.tick_size), coalesce(excluded.fee_schedule, old.fee_schedule),
     coalesce(excluded.description, old.description))
