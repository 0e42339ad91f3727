-- Sets how long this session waits for a lock, and shows in pg_stat_activity that it migrates.
-- Parameters: lock_ms (milliseconds, as text). Rows: one.
select set_config('lock_timeout', %(lock_ms)s, false),
       set_config('application_name', 'polymarket-tracker migration', false)
