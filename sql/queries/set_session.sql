-- Sets the limits of this session, makes commits durable and has names found in
-- pg_catalog alone: those of ours are written with their schema.
-- synchronous_commit is changed only where it is off: remote_apply is stronger than on.
-- Parameters: statement_ms, lock_ms, idle_ms (milliseconds, as text).
-- Rows: one.
select set_config('statement_timeout', %(statement_ms)s, false),
       set_config('lock_timeout', %(lock_ms)s, false),
       set_config('idle_in_transaction_session_timeout', %(idle_ms)s, false),
       set_config('timezone', 'UTC', false),
       set_config('search_path', 'pg_catalog', false),
       set_config('synchronous_commit',
                  case current_setting('synchronous_commit') when 'off' then 'on'
                       else current_setting('synchronous_commit') end, false)
