-- Returns whether the table of migrations exists, and whether a version made this database that kept all in `public`.
-- Rows: one: two booleans.
select to_regclass('tracker.schema_migrations') is not null,
       to_regclass('public.schema_migrations') is not null and to_regclass('public.prints') is not null
