-- Records that a migration was applied.
-- Parameters: name (file name), checksum (sha256, hexadecimal). Rows: none.
insert into schema_migrations (name, checksum) values (%(name)s, %(checksum)s)
