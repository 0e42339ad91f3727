-- Roles of least privilege for the tracker's database.
--   tracker_owner   owns the schema; `tracker --migrate` runs as it, and nothing else.
--   tracker_writer  the running tracker: reads, inserts, and updates rows that may change; it deletes only what follows from
--                   other tables or has moved on into them, and old samples and events, creates no table, and cannot change
--                   records. It owns nothing. It may move sequences.
--   tracker_reader  a group without login, to be granted to readers: the public relations and functions.
-- Run it as a superuser in the tracker's database, before the first migration; it may be repeated. Which role may do what with
-- each table is granted by `tracker --migrate` (sql/queries/grant_rights.sql), after each migration and at every other call.
-- On a database that another role has made so far: tables, views and functions of ours become tracker_owner's. It sets no
-- passwords: use `\password tracker_writer` in psql.
--   psql -v ON_ERROR_STOP=1 -d polymarket -f sql/roles.sql

-- First, so that nothing below means what somebody has planted: who owns a database says what its sessions search, and in
-- PostgreSQL 14 everybody may create in `public`.
set search_path = pg_catalog, pg_temp;

do $$
declare
  it text;
begin
  foreach it in array array['tracker_owner', 'tracker_writer', 'tracker_reader'] loop
    if not exists (select from pg_roles where rolname = it) then
      execute format('create role %I %s', it, case it when 'tracker_reader' then 'nologin' else 'login' end);
    end if;
    execute format('alter role %I nosuperuser nocreatedb nocreaterole noreplication nobypassrls', it);
  end loop;
  execute format('revoke all on database %I from public, tracker_writer, tracker_reader', current_database());
  execute format('grant connect on database %I to tracker_owner, tracker_writer, tracker_reader', current_database());
  -- The first migration may create the extension TimescaleDB.
  execute format('grant create on database %I to tracker_owner', current_database());
  if to_regnamespace('tracker') is null then
    create schema tracker;
  end if;
end $$;
revoke all on schema public, tracker from public, tracker_writer, tracker_reader;
grant usage, create on schema public to tracker_owner;
grant usage on schema public to tracker_writer, tracker_reader;

-- What migrations have made belongs to whoever ran them: in schema tracker all that is his, in schema public what is named
-- here. Nothing of anybody else's is touched: with the rights of the owner it could do harm.
do $$
declare
  it record;
  makers oid[];
  ours constant text[] := array[
    'assets', 'audits', 'candles', 'connection_events', 'coverage', 'coverage_gaps', 'events', 'labels', 'labels_as_of',
    'market_coverage', 'market_history', 'markets', 'rejected_messages', 'resolution_confirmations', 'resolution_conflicts',
    'resolution_observations',
    'resolution_payouts', 'resolutions', 'trades', 'trades_of_transaction', 'unresolved_markets'];
begin
  select array[c.relowner, n.nspowner] into makers
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass('tracker.schema_migrations');
  for it in
    select format('%s %I.%I', case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
                  n.nspname, c.relname) as named
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm') and c.relowner = any(makers) and c.relowner <> 'tracker_owner'::regrole
      and (n.nspname = 'tracker' or n.nspname = 'public' and c.relname = any(ours))
    union all
    select format('function %s', p.oid::regprocedure)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prokind = 'f' and p.proowner = any(makers) and p.proowner <> 'tracker_owner'::regrole
      and (n.nspname = 'tracker' or n.nspname = 'public' and p.proname = any(ours))
      and not exists (select from pg_depend d
                      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  loop
    execute format('alter %s owner to tracker_owner', it.named);
  end loop;
end $$;
alter schema tracker owner to tracker_owner;
grant usage on schema tracker to tracker_writer, tracker_reader;    -- coverage_gaps() reads our own tables

-- What is granted to everybody from the start, and would let a reader store something (large objects, the log that is written
-- ahead) or take locks that others wait for, or all locks that the server has; with TimescaleDB, once it is there, a job that goes
-- on running when the reader is gone.
do $$
declare
  it regprocedure;
begin
  for it in select p.oid from pg_proc p
            where (p.pronamespace = 'pg_catalog'::regnamespace
                   and (p.proname ~ '^(lo_|pg_advisory_|pg_try_advisory_)'
                        or p.proname in ('loread', 'lowrite', 'pg_logical_emit_message'))
                   or p.proname = 'add_job'
                   and exists (select from pg_depend d join pg_extension e on e.oid = d.refobjid
                               where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                                 and d.refclassid = 'pg_extension'::regclass and e.extname = 'timescaledb'))
              and has_function_privilege('public', p.oid, 'execute') loop
    execute format('revoke execute on function %s from public', it);
  end loop;
end $$;
