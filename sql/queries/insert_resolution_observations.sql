-- Stores observations; one that is there already is left out, and one that repeats what the same
-- source reported before: a process that polls a market before it has read what is stored sends such.
-- Parameters: observations (JSON array of {condition_id, source, observed_at_ms,
-- verdict, reason, payouts, payload, mapped_by, generated_at_ms}, payload being JSON text). Rows: none.
with given as (
  select condition_id, source, to_timestamp(observed_at_ms / 1000.0) as observed_at, verdict, reason,
         nullif(payouts, 'null'::jsonb) as payouts, payload::jsonb as payload, mapped_by,
         to_timestamp(generated_at_ms / 1000.0) as generated_at
  from jsonb_to_recordset(%(observations)s::jsonb) as o (
    condition_id text, source text, observed_at_ms bigint, verdict text, reason text, payouts jsonb, payload text,
    mapped_by text[], generated_at_ms bigint)
), compared as (
  -- The one before may come with the same statement, which does not see its own rows.
  select *, row_number() over before as number,
         (verdict, reason, payouts, mapped_by) is not distinct from
           (lag(verdict) over before, lag(reason) over before, lag(payouts) over before, lag(mapped_by) over before)
           as repeats
  from given window before as (partition by condition_id, source order by observed_at)
)
insert into resolution_observations
  (condition_id, source, observed_at, verdict, reason, payouts, payload, mapped_by, generated_at)
select o.condition_id, o.source, o.observed_at, o.verdict, o.reason, o.payouts, o.payload, o.mapped_by, o.generated_at
from compared o
left join lateral (
  select (verdict, reason, payouts, mapped_by) is not distinct from (o.verdict, o.reason, o.payouts, o.mapped_by)
         as repeats
  from resolution_observations stored
  where stored.condition_id = o.condition_id and stored.source = o.source and stored.observed_at < o.observed_at
  order by stored.observed_at desc limit 1) as stored on true
where not case when o.number = 1 then coalesce(stored.repeats, false) else o.repeats end
on conflict do nothing
