-- Returns where this question is answered, to find out whether a pool has another session answer the next one.
-- Rows: one: the process of the server (integer), what set_session has left in the session or NULL (text).
select pg_backend_pid(), nullif(current_setting('tracker.session', true), '')
