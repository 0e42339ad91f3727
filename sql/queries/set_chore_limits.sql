-- Bounds what a step of housekeeping may take until the end of its transaction: a quarter of a second to wait for a
-- lock, a second for a statement. Rows: one.
select set_config('lock_timeout', '250ms', true), set_config('statement_timeout', '1s', true)
