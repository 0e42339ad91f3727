-- Returns what the audits since a time found. An hour of a market that several witnesses were asked about counts once.
-- Parameters: since (timestamptz), disputed (how many hours are named at most).
-- Rows: one: hours of markets with each result as JSON; what witnesses listed; of it what is missing; of that what was traded
-- while the token was listened to; hours of markets with such as two witnesses or the chain say; when the last was made; as
-- JSON the hours of markets with such, [[condition_id, milliseconds], ...].
with late as materialized (
  select a.condition_id, a.hour, a.witness, a.theirs, a.missing, a.outside_gaps, a.result, a.checked_at
  from public.audits a where a.checked_at >= %(since)s
), hours as materialized (
  select l.condition_id, l.hour, max(l.theirs) as theirs, max(l.missing) as missing, max(l.outside_gaps) as outside_gaps,
         case when bool_or(l.result = 'missing') then 'missing' when bool_or(l.result = 'complete') then 'complete'
              else 'unknown' end as result,
         count(*) filter (where l.outside_gaps > 0) > 1
           or bool_or(l.witness = 'chain' and l.outside_gaps > 0) as proven,
         max(l.checked_at) as checked_at
  from late l group by l.condition_id, l.hour
), counted as (
  select h.result, count(*) as hours from hours h group by h.result
), disputed as (
  select h.condition_id, h.hour from hours h where h.outside_gaps > 0
  order by h.hour desc, h.condition_id limit %(disputed)s
)
select (select coalesce(jsonb_object_agg(c.result, c.hours), '{}')::text from counted c),
       coalesce(sum(theirs), 0)::bigint, coalesce(sum(missing), 0)::bigint, coalesce(sum(outside_gaps), 0)::bigint,
       count(*) filter (where proven), max(checked_at),
       (select coalesce(jsonb_agg(jsonb_build_array(d.condition_id, (extract(epoch from d.hour) * 1000)::bigint)), '[]')::text
        from disputed d)
from hours
