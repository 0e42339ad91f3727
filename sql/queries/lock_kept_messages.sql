-- Takes the right to read kept messages, until the session ends, unless another session has it.
-- Rows: one: whether it was taken (boolean).
select pg_try_advisory_lock(7041776132)
