-- Returns the migrations that were applied.
-- Rows: name, checksum, whether versions without this migration may write; by name.
select m.name, m.checksum, m.previous_may_write from tracker.schema_migrations m order by m.name
