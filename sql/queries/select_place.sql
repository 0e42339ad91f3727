-- Returns where this question is answered, to find out whether a pool has another session answer the next one. Asked in
-- sessions that are not ours, too, so nothing in it is looked for where others may plant it.
-- Rows: one: the process of the server (integer), what set_session has left in the session (text; NULL or empty: nothing).
select pg_catalog.pg_backend_pid(), pg_catalog.current_setting('tracker.session', true)
