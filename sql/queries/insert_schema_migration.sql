-- Records that a migration was applied.
-- Parameters: name (file name), checksum (sha256, hexadecimal), previous_may_write (boolean: versions
-- of the tracker that do not have this file may go on writing). Rows: none.
insert into tracker.schema_migrations (name, checksum, previous_may_write)
values (%(name)s, %(checksum)s, %(previous_may_write)s)
