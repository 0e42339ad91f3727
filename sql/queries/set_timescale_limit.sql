-- Lets one transaction meet as many compressed rows as it must: a late batch
-- would otherwise fail for ever on the default limit. Rows: one.
select set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false)
