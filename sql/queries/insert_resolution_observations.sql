-- Stores observations; one that is there already is left out, and one that repeats what the same
-- source reported before: a process that polls a market before it has read what is stored sends such.
-- Parameters: observations (JSON array of {condition_id, source, observed_at_ms,
-- verdict, reason, payouts, payload, naming, names, mapped_by, generated_at_ms}, payload being JSON text).
-- Rows: none.
with given as (
  select condition_id, source, to_timestamp(observed_at_ms / 1000.0) as observed_at, verdict, reason,
         nullif(payouts, 'null'::jsonb) as payouts, payload::jsonb as payload, naming,
         nullif(names, 'null'::jsonb) as names, mapped_by, to_timestamp(generated_at_ms / 1000.0) as generated_at
  from jsonb_to_recordset(%(observations)s::jsonb) as o (
    condition_id text, source text, observed_at_ms bigint, verdict text, reason text, payouts jsonb, payload text,
    naming text, names jsonb, mapped_by text[], generated_at_ms bigint)
), told as (
  -- What means something: without payouts no token is named.
  select *, jsonb_build_array(verdict, reason, payouts, mapped_by, case when payouts is not null then naming end) as said,
         case when payouts is not null then names end as named
  from given
), compared as (
  -- The one before may come with the same statement, which does not see its own rows.
  select *, row_number() over before as number,
         said = lag(said) over before and (named is null or named is not distinct from lag(named) over before) as repeats
  from told window before as (partition by condition_id, source order by observed_at)
)
insert into public.resolution_observations
  (condition_id, source, observed_at, verdict, reason, payouts, payload, naming, names, mapped_by, generated_at)
select o.condition_id, o.source, o.observed_at, o.verdict, o.reason, o.payouts, o.payload, o.naming, o.names,
       o.mapped_by, o.generated_at
from compared o
left join lateral (
  select jsonb_build_array(verdict, reason, payouts, mapped_by, case when payouts is not null then naming end) = o.said
           and (o.named is null or o.named is not distinct from names) as repeats
  from public.resolution_observations stored
  where stored.condition_id = o.condition_id and stored.source = o.source and stored.observed_at < o.observed_at
  order by stored.observed_at desc limit 1) as stored on true
where not case when o.number = 1 then coalesce(stored.repeats, false) else o.repeats end
order by o.condition_id, o.source, o.observed_at
on conflict do nothing
