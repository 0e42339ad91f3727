-- Counts the resolutions that were recorded in a time, by kind and by how late they were.
-- Parameters: start, end, classes (double precision[]: seconds at which the next class begins).
-- Rows: kind, class from 0, count; NULL, NULL, NULL and seconds: median, 90th and 99th percentile, largest.
with late as materialized (
  select r.kind, greatest(0, extract(epoch from r.recorded_at - r.resolved_at))::double precision as seconds
  from public.resolutions r where r.recorded_at >= %(start)s and r.recorded_at < %(end)s
)
select kind, width_bucket(seconds, %(classes)s::double precision[]) as class, count(*), null::double precision[] as seconds
from late group by 1, 2
union all
select null, null, null,
       percentile_cont(array[0.5, 0.9, 0.99, 1]) within group (order by seconds) from late having count(*) > 0
order by 1, 2
