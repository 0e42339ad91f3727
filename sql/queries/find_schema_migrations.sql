-- Returns whether the table of migrations exists. Rows: one: boolean.
select to_regclass('schema_migrations') is not null
