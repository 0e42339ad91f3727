-- Returns the migrations that were applied. Rows: name, checksum, by name.
select name, checksum from schema_migrations order by name
