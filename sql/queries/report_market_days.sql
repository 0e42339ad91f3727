-- Tells how many markets were complete on the days of a time, and which missed most. Days that are not computed yet are left out.
-- Parameters: start, end (both the begin of a day), most (markets).
-- Rows: one without a name: NULL, markets and days together, how many of them are complete, how many are to be computed again;
-- then one for each of the markets that missed most, the worst first: condition_id, NULL, NULL, NULL.
with days as materialized (
  select m.condition_id, m.complete, m.wanted_s - m.covered_s as missed_s
  from public.market_coverage m
  where m.day >= (%(start)s::timestamptz at time zone 'UTC')::date and m.day < (%(end)s::timestamptz at time zone 'UTC')::date
)
select null, count(*), count(*) filter (where complete), count(*) filter (where missed_s is null) from days
union all
(select condition_id, null, null, null
 from days where missed_s > 0 and condition_id is not null
 group by condition_id order by sum(missed_s) desc, condition_id limit %(most)s)
