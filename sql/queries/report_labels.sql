-- Tells the resolutions that were recorded last in a time.
-- Parameters: start, end, market (NULL: all), most.
-- Rows, the last first: condition_id, kind, winning_outcome, resolved_at, recorded_at, sources.
select r.condition_id, r.kind, r.winning_outcome, r.resolved_at, r.recorded_at, r.sources
from public.resolutions r
where r.recorded_at >= %(start)s and r.recorded_at < %(end)s
  and (%(market)s::text is null or r.condition_id = %(market)s)
order by r.recorded_at desc, r.condition_id limit %(most)s
