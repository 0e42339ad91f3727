-- Returns which version of TimescaleDB the first migration would create in this database, if any.
-- Rows: at most one: version (text).
select default_version from pg_available_extensions
where name = 'timescaledb' and installed_version is null
  and current_setting('timescaledb.max_background_workers', true) is not null
  and coalesce(nullif(current_setting('tracker.timescale', true), ''), 'auto') <> 'off'
