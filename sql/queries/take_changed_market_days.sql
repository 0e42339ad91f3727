-- Takes some markets and days that something late has changed. Of what is under way none is taken, nor waited for.
-- Parameters: rows (how many). Rows: asset_key, day; one may come more than once.
delete from tracker.changed_market_days c
where c.ctid = any(array(select s.ctid from tracker.changed_market_days s order by s.asset_key, s.day limit %(rows)s
                         for update skip locked))
returning c.asset_key, c.day
