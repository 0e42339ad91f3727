-- Returns what the session is connected to.
-- Rows: one: version (text), synchronous_commit (text), timescale (boolean), read_only (boolean).
select current_setting('server_version'),
       current_setting('synchronous_commit'),
       exists (select from pg_extension where extname = 'timescaledb'),
       current_setting('transaction_read_only') = 'on'
