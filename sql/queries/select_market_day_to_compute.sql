-- Returns the first day that is announced long enough and not computed: what was under way when it was announced has ended.
-- Parameters: waited (interval).
-- Rows: one or none: the day, its start, its end, how far it has come (journal_key, until_at, asset_key), the database's clock.
select d.day, d.day::timestamp at time zone 'UTC', (d.day + 1)::timestamp at time zone 'UTC',
       d.journal_key, d.until_at, d.asset_key, now()
from tracker.computed_days d
where d.computed_at is null and d.announced_at < now() - %(waited)s::interval
order by d.day limit 1
