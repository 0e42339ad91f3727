-- Sets the limits of this session, makes commits durable and fixes the search path.
-- synchronous_commit is changed only where it is off: remote_apply is stronger than on.
-- Parameters: statement_ms, lock_ms, idle_ms (milliseconds, as text).
-- Rows: one.
select set_config('statement_timeout', %(statement_ms)s, false),
       set_config('lock_timeout', %(lock_ms)s, false),
       set_config('idle_in_transaction_session_timeout', %(idle_ms)s, false),
       set_config('timezone', 'UTC', false),
       set_config('search_path', coalesce(quote_ident(current_schema()), '""'), false),
       set_config('synchronous_commit',
                  case current_setting('synchronous_commit') when 'off' then 'on'
                       else current_setting('synchronous_commit') end, false)
