-- Tells whether the table of migrations is there. Rows: one: boolean.
select to_regclass('schema_migrations') is not null
