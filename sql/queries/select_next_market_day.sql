-- Returns the day that is to be announced next: the one after the last, or that on which the first tracker started.
-- Rows: one: the day, NULL when no tracker has started yet; its end; the database's clock.
select n.day, (n.day + 1)::timestamp at time zone 'UTC', now()
from (select coalesce((select d.day + 1 from tracker.computed_days d order by d.day desc limit 1),
                      (select (p.started_at at time zone 'UTC')::date from tracker.process_life p
                       order by coalesce(p.stopped_at, p.alive_at) limit 1)) as day) n
