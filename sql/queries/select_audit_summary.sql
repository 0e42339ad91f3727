-- Returns what the audits since a time found.
-- Parameters: since (timestamptz), disputed (how many hours are named at most).
-- Rows: one: audits with each result as JSON; what witnesses listed; of it what is missing; of that what was traded while
-- the token was listened to; hours of markets with such as two witnesses or the chain say; when the last was made; as JSON the
-- hours of markets with such, [[condition_id, milliseconds], ...].
with late as materialized (
  select a.condition_id, a.hour, a.witness, a.theirs, a.missing, a.outside_gaps, a.result, a.checked_at
  from public.audits a where a.checked_at >= %(since)s
), counted as (
  select l.result, count(*) as audits from late l group by l.result
), proven as (
  select 1 from late l where l.outside_gaps > 0
  group by l.condition_id, l.hour having count(*) > 1 or bool_or(l.witness = 'chain')
), disputed as (
  select distinct l.condition_id, l.hour from late l where l.outside_gaps > 0
  order by l.hour desc, l.condition_id limit %(disputed)s
)
select (select coalesce(jsonb_object_agg(c.result, c.audits), '{}')::text from counted c),
       coalesce(sum(theirs), 0)::bigint, coalesce(sum(missing), 0)::bigint, coalesce(sum(outside_gaps), 0)::bigint,
       (select count(*) from proven), max(checked_at),
       (select coalesce(jsonb_agg(jsonb_build_array(d.condition_id, (extract(epoch from d.hour) * 1000)::bigint)), '[]')::text
        from disputed d)
from late
