-- Lets one transaction touch any number of compressed rows: with the default limit a late
-- batch would fail again at every retry. Rows: one.
select set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false)
