-- Returns the contradictions about markets.
-- Parameters: conditions (text[]), as_of (timestamptz; NULL: all that is known).
-- Rows: condition_id, kind, detected_at, cleared_at (NULL also when it was cleared later than as_of); in order.
select c.condition_id, c.kind, c.detected_at, case when c.cleared_at <= coalesce(%(as_of)s::timestamptz, 'infinity') then c.cleared_at end
from public.resolution_conflicts c
where c.condition_id = any (%(conditions)s::text[]) and c.detected_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by c.condition_id, c.detected_at, c.kind, c.source
