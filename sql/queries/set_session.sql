-- Sets the limits of this session and makes commits durable. Runs after set_search_path.
-- synchronous_commit is changed only where it is off: remote_apply is stronger than on. Arrays that hold NULL
-- are sent as text, and each statement has to see what others have committed before it: a role may have it otherwise.
-- A role may change its own settings: what a tracker that was taken over has set for those that come after it, so that they
-- store nothing, is as without it. Those of the database and of the address stay: with them somebody means it.
-- Leaves a tag by which move_watermark can tell that it is still the same session.
-- Parameters: statement_ms, lock_ms, idle_ms (milliseconds, as text), tag (text that no other session has).
-- Rows: one.
select set_config('statement_timeout', %(statement_ms)s, false),
       set_config('lock_timeout', %(lock_ms)s, false),
       set_config('idle_in_transaction_session_timeout', %(idle_ms)s, false),
       set_config('tracker.session', %(tag)s, false),
       set_config('timezone', 'UTC', false),
       set_config('datestyle', 'ISO, MDY', false),
       set_config('array_nulls', 'on', false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('enable_seqscan', 'off', false),
       set_config('jit', 'off', false),
       set_config('synchronous_commit',
                  case current_setting('synchronous_commit') when 'off' then 'on'
                       else current_setting('synchronous_commit') end, false),
       (select count(set_config(s.name, s.boot_val, false)) from pg_settings s
        where s.source in ('user', 'database user')
          and s.name in ('default_transaction_read_only', 'default_tablespace', 'exit_on_error', 'idle_session_timeout',
                         'transaction_timeout'))
