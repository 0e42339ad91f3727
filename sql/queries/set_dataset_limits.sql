-- Sets what reading for a dataset needs, which may take long: no limits of time; trades in the order of their index, not
-- sorted as a whole.
-- Rows: one.
select set_config('statement_timeout', '0', false), set_config('idle_in_transaction_session_timeout', '0', false),
       set_config('timezone', 'UTC', false), set_config('enable_sort', 'off', false), set_config('jit', 'off', false)
