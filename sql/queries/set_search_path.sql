-- The first statement of each session: from here on nothing means what somebody else may have planted. Names are found
-- in pg_catalog alone; those of ours are written with their schema. What the session itself has in pg_temp comes last.
-- Rows: none.
set search_path = pg_catalog, pg_temp
