-- Takes some markets and days that something late has changed. Rows of what is under way are not seen yet, and nobody but who
-- holds the lock of `lock_market_days` takes any; so none is locked first, which would take a right to update.
-- Parameters: rows (how many). Rows: asset_key, day; one may come more than once.
delete from tracker.changed_market_days c
where c.ctid = any(array(select s.ctid from tracker.changed_market_days s order by s.asset_key, s.day limit %(rows)s))
returning c.asset_key, c.day
