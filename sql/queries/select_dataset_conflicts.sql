-- Returns the contradictions about markets that were stored by then.
-- Parameters: conditions (text[]), as_of (timestamptz; NULL: all that is known).
-- Rows: condition_id, kind, when it was stored, when its end was (NULL also when that was later than as_of); in order.
select c.condition_id, c.kind, c.recorded_at, ended.at
from public.resolution_conflicts c
left join lateral (select coalesce(c.clearance_recorded_at, c.cleared_at) as at) ended
  on ended.at <= coalesce(%(as_of)s::timestamptz, 'infinity')
where c.condition_id = any (%(conditions)s::text[]) and c.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by c.condition_id, c.recorded_at, c.kind, c.source
