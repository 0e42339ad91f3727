-- Lets this transaction go on however long nothing is asked in it. Rows: one.
select set_config('idle_in_transaction_session_timeout', '0', true)
