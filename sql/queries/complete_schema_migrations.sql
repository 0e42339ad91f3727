-- Adds the column that the table lacks where an older version created it. Rows: none.
alter table schema_migrations add column if not exists previous_may_write boolean not null default false
