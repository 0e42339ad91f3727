-- Creates the schema of our own tables, and the table in which applied migrations are recorded. Rows: none.
do $$
begin
  if to_regnamespace('tracker') is null then    -- IF NOT EXISTS would ask for the right even then
    create schema tracker;
  end if;
end
$$;
create table if not exists tracker.schema_migrations (
  name       text primary key,
  checksum   text not null,              -- sha256 of the file, hexadecimal
  applied_at timestamptz not null default now(),
  previous_may_write boolean not null default false  -- a tracker of a version that has no such file may go on writing here
)
