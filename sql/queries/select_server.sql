-- Returns what the session is connected to.
-- Rows: one: version (text), synchronous_commit (text), the version of TimescaleDB or NULL (text), read_only (boolean),
-- place (text: which database of the cluster and which schema of it), settings by which a loss of power may damage the
-- database or triggers do not run (text[]).
select current_setting('server_version'),
       current_setting('synchronous_commit'),
       (select extversion from pg_extension where extname = 'timescaledb'),
       current_setting('transaction_read_only') = 'on',
       concat_ws('/', (select oid from pg_database where datname = current_database()),
                 (select oid from pg_namespace where nspname = 'tracker')),
       array(select name || '=' || risk
             from (values ('fsync', 'off'), ('full_page_writes', 'off'), ('session_replication_role', 'replica'))
               as s (name, risk)
             where current_setting(name) = risk)
