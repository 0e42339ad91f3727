-- Tells what the sources of a market said last, and its last steps.
-- Parameters: market, most (of each source).
-- Rows, the last first: source, observed_at, what it said, why not final, the beginning of its answer.
select o.source, o.observed_at, left(o.verdict, 200), left(o.reason, 200), left(o.payload::text, 400)
from (select o.*, row_number() over (partition by o.source order by o.observed_at desc) as place
      from public.resolution_observations o where o.condition_id = %(market)s) o
where o.place <= case o.source when 'tracker' then %(most)s else 1 end
order by o.observed_at desc, o.source
