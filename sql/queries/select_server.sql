-- Returns what the session is connected to.
-- Rows: one: version (text), synchronous_commit (text), the version of TimescaleDB or NULL (text), read_only (boolean),
-- place (text: which database of the cluster and which schema of it), settings by which a loss of power may damage the
-- database (text[]).
select current_setting('server_version'),
       current_setting('synchronous_commit'),
       (select extversion from pg_extension where extname = 'timescaledb'),
       current_setting('transaction_read_only') = 'on',
       concat_ws('/', (select oid from pg_database where datname = current_database()),
                 (select oid from pg_namespace where nspname = 'tracker')),
       array(select name || '=off' from unnest(array['fsync', 'full_page_writes']) as s (name)
             where current_setting(name) = 'off')
