-- Returns the day that is to be announced next: the one before the first, as long as a tracker started earlier, which may be stored
-- late; else the one after the last. No trades are stored of days before 2020, so a clock that was wrong leads no further back.
-- Rows: one: the day, NULL when no tracker has started yet; its end; the database's clock.
select n.day, (n.day + 1)::timestamp at time zone 'UTC', now()
from (select case when started.day < first.day then first.day - 1 else coalesce(last.day + 1, started.day) end as day
      from (values (null)) as one (row)
      left join lateral (select greatest((p.started_at at time zone 'UTC')::date, '2020-01-01') as day
                         from tracker.process_life p order by p.started_at limit 1) started on true
      left join lateral (select d.day from tracker.computed_days d order by d.day limit 1) first on true
      left join lateral (select d.day from tracker.computed_days d order by d.day desc limit 1) last on true) n
