-- Returns whether the names of the tables mean those of the tracker, with the search path that sessions of this role have.
-- No operator, and each function with its schema: that path may lead to what others have planted.
-- Rows: the oid of what `trades` means, and that of the tracker's; NULL: there is none.
select pg_catalog.to_regclass('trades')::pg_catalog.oid, pg_catalog.to_regclass('public.trades')::pg_catalog.oid
