-- Tells the contradictions that were open at any moment of a time, with what each source had said last when they were seen.
-- Parameters: start, end, market (NULL: all), most.
-- Rows, open ones first: condition_id, kind, source, detected_at, recorded, observed, cleared_at, cleared_by, when a label was recorded;
-- and of the sources, as arrays: name, observed_at, what it said, why not final, the beginning of its answer.
select c.condition_id, c.kind, c.source, c.detected_at, c.recorded, c.observed, c.cleared_at, c.cleared_by,
       r.recorded_at, said.sources, said.times, said.words, said.reasons, said.answers
from public.resolution_conflicts c
left join public.resolutions r using (condition_id)
cross join lateral (
  select array_agg(last.source order by last.source) as sources, array_agg(last.observed_at order by last.source) as times,
         array_agg(last.words order by last.source) as words, array_agg(last.reason order by last.source) as reasons,
         array_agg(last.answer order by last.source) as answers
  from (select distinct on (o.source) o.source, o.observed_at, left(o.verdict, 200) as words, left(o.reason, 200) as reason,
               left(o.payload::text, 400) as answer
        from public.resolution_observations o
        where o.condition_id = c.condition_id and o.source <> 'tracker' and o.observed_at <= c.detected_at
        order by o.source, o.observed_at desc) last) said
where c.detected_at < %(end)s and coalesce(c.cleared_at, 'infinity') >= %(start)s
  and (%(market)s::text is null or c.condition_id = %(market)s)
order by c.cleared_at is not null, c.detected_at desc, c.condition_id, c.kind, c.source limit %(most)s
