-- Returns the last observation of each source about these markets, the source `tracker` being their
-- state, and when a contradiction about them was last seen.
-- Parameters: conditions (text[]).
-- Rows: condition_id, source, observed_at (ms), reason, payouts (JSON text or NULL), verdict, mapped_by
-- (text[]), generated_at (ms or NULL), naming, names (JSON text or NULL); one with the source `conflict` for each
-- market about whose outcome there was a contradiction; and one with the source `acknowledged` for each contradiction that a
-- person has acknowledged: its kind in place of the reason, and what contradicted each other in place of mapped_by.
select o.condition_id, o.source, (extract(epoch from o.observed_at) * 1000)::bigint, o.reason, o.payouts::text, o.verdict,
       o.mapped_by, (extract(epoch from o.generated_at) * 1000)::bigint, o.naming, o.names::text
from unnest(%(conditions)s::text[]) as asked (condition_id)
cross join lateral (select distinct on (said.source) said.* from public.resolution_observations said
                    where said.condition_id = asked.condition_id
                    order by said.source, said.observed_at desc) o
union all
select c.condition_id, 'conflict', (extract(epoch from max(c.detected_at)) * 1000)::bigint, '', null, '', '{}', null,
       '', null
from public.resolution_conflicts c where c.condition_id = any(%(conditions)s::text[]) and c.kind = 'outcome'
group by c.condition_id
union all
select c.condition_id, 'acknowledged', 0, c.kind, null, '', array[c.recorded, c.observed], null, '', null
from public.resolution_conflicts c
where c.condition_id = any(%(conditions)s::text[]) and c.cleared_by like 'acknowledged: %%'
