-- Returns the name of this transaction's snapshot, for a second session; and the database's clock.
-- Rows: one.
select pg_export_snapshot(), now()
