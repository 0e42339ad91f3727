-- Creates the table in which applied migrations are recorded. Rows: none.
create table if not exists schema_migrations (
  name       text primary key,
  checksum   text not null,              -- sha256 of the file, hexadecimal
  applied_at timestamptz not null default now(),
  previous_may_write boolean not null default false  -- versions without this file may go on writing
)
