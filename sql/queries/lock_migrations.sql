-- Waits until nobody else migrates this database; held until the session ends. Rows: one.
select pg_advisory_lock(7041776131)
