-- Roles of least privilege for the tracker's database.
--   tracker_owner   owns the schema; `tracker --migrate` runs as it, and nothing else.
--   tracker_writer  the running tracker (TRACKER_MIGRATE=false): reads, inserts, and updates rows
--                   that may change; it deletes only what follows from other tables or has moved on into them, and
--                   old samples and events, creates no table, and cannot change records. It may move sequences.
--   tracker_reader  a group without login, to be granted to readers: the public relations.
-- Run it as a superuser in the tracker's database, once before the first migration and again after
-- each one; it may be repeated. It sets no passwords: use `\password tracker_writer` in psql.
--   psql -v ON_ERROR_STOP=1 -d polymarket -f sql/roles.sql
set search_path = pg_catalog;

do $$
declare
  it text;
begin
  foreach it in array array['tracker_owner', 'tracker_writer', 'tracker_reader'] loop
    if not exists (select from pg_roles where rolname = it) then
      execute format('create role %I nosuperuser nocreatedb nocreaterole noreplication %s', it,
                     case it when 'tracker_reader' then 'nologin' else 'login' end);
    end if;
  end loop;
  execute format('revoke all on database %I from public', current_database());
  execute format('grant connect on database %I to tracker_owner, tracker_writer, tracker_reader',
                 current_database());
end $$;

do $$
begin
  if to_regnamespace('tracker') is null then
    create schema tracker;
  end if;
end $$;
alter schema tracker owner to tracker_owner;
revoke all on schema public, tracker from public;
grant usage, create on schema public to tracker_owner;
grant usage on schema public, tracker to tracker_writer;
grant usage on schema public, tracker to tracker_reader;    -- coverage_gaps() reads our own tables
-- Functions stay executable by everyone, since only these roles can connect; that which makes a table is the writer's.

do $$
declare
  kind "char";
  it text;
  place text;
  -- Rows of these change while they are current: names are added, watermarks and proofs move, listening ends.
  growing constant text[] := array['assets', 'events', 'markets', 'journal_progress', 'process_life',
                                   'epochs', 'listening', 'wanted', 'coverage_ranges'];
  -- What is final there moves on into another table.
  passing constant text[] := array['epochs', 'listening', 'coverage_ranges', 'unresolved'];
  -- coverage_gaps() reads these with the rights of its caller.
  of_coverage_gaps constant text[] := array['wanted', 'listening', 'listening_now', 'coverage_ranges', 'epochs',
                                            'process_life'];
begin
  for place, it, kind in select n.nspname, c.relname, c.relkind from pg_class c
                  join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname in ('public', 'tracker') and c.relkind in ('r', 'p', 'v', 'm') loop
    execute format('alter table %I.%I owner to tracker_owner', place, it);
    execute format('revoke all on %I.%I from tracker_writer, tracker_reader', place, it);
    execute format('grant select on %I.%I to tracker_writer', place, it);
    if kind in ('r', 'p') and it <> 'schema_migrations' then
      execute format('grant insert on %I.%I to tracker_writer', place, it);
    end if;
    if it = any(growing) then
      execute format('grant update on %I.%I to tracker_writer', place, it);
    end if;
    if it = 'rejected_messages' then    -- what was kept stays as it was received
      execute format('grant delete, update (taken_in_at) on %I.%I to tracker_writer', place, it);
    end if;
    if it = 'connection_events' then    -- old ones go
      execute format('grant delete on %I.%I to tracker_writer', place, it);
    end if;
    if it = 'resolution_conflicts' then    -- it ends, and stays what it was
      execute format('grant update (cleared_at, cleared_by) on %I.%I to tracker_writer', place, it);
    end if;
    if it = any(passing) then
      execute format('grant delete on %I.%I to tracker_writer', place, it);
    end if;
    if place = 'public' or it = any(of_coverage_gaps) then
      execute format('grant select on %I.%I to tracker_reader', place, it);
    end if;
    if it = 'journals' then
      execute format('grant update (retired_at) on %I.%I to tracker_writer', place, it);
      execute format('grant select (journal_key, retired_at) on %I.%I to tracker_reader', place, it);
    end if;
  end loop;
  -- A sequence that is behind its table, as after some restores, is put right when the tracker opens the database.
  for it in select c.relname from pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' loop
    execute format('grant select, update on sequence public.%I to tracker_writer', it);
  end loop;
  for it in select p.oid::regprocedure from pg_proc p
            where p.pronamespace in ('public'::regnamespace, 'tracker'::regnamespace) and p.prokind = 'f'
              and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') loop
    execute format('alter function %s owner to tracker_owner', it);
  end loop;
  if to_regproc('tracker.add_trade_day') is not null then
    revoke execute on function tracker.add_trade_day from public;
    grant execute on function tracker.add_trade_day to tracker_writer;
  end if;
end $$;
