-- Returns what the session is connected to.
-- Rows: one: version (text), synchronous_commit (text), timescale (boolean), read_only (boolean), place (text:
-- which database of the cluster and which schema of it).
select current_setting('server_version'),
       current_setting('synchronous_commit'),
       exists (select from pg_extension where extname = 'timescaledb'),
       current_setting('transaction_read_only') = 'on',
       concat_ws('/', (select oid from pg_database where datname = current_database()),
                 (select oid from pg_namespace where nspname = 'tracker'))
