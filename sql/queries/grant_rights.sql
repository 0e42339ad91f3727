-- Grants to each role what it needs of our relations and functions, and nothing to anybody else: the owner runs it after
-- migrating. It does nothing for another role, and where sql/roles.sql has not made the roles. Rows: none.
do $$
declare
  owned_by constant regrole := to_regrole('tracker_owner');
  kind "char";
  it text;
  name text;
  is_public boolean;
  -- Rows of these change while they are current: names are added, watermarks and proofs move, listening ends, audits are
  -- made and coverage of days is computed again.
  growing constant text[] := array['events', 'markets', 'journal_progress', 'process_life',
                                   'epochs', 'listening', 'wanted', 'coverage_ranges', 'audits', 'computed_days',
                                   'market_days'];
  -- What is final there moves on into another table.
  passing constant text[] := array['epochs', 'listening', 'coverage_ranges', 'unresolved', 'changed_market_days', 'market_days'];
  -- coverage_gaps() reads these with the rights of its caller.
  of_coverage_gaps constant text[] := array['wanted', 'listening', 'listening_now', 'coverage_ranges', 'epochs',
                                            'process_life'];
begin
  if owned_by is distinct from (select n.nspowner from pg_namespace n where n.nspname = 'tracker')
     or not pg_has_role(owned_by, 'usage') or to_regclass('tracker.schema_migrations') is null then
    return;
  end if;
  lock table tracker.schema_migrations in share update exclusive mode;    -- see lock_migrations
  -- Not of each day of trades: who stores or reads names the table as a whole.
  for it, name, kind, is_public in
    select format('%I.%I', n.nspname, c.relname), c.relname, c.relkind, n.nspname = 'public'
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'tracker') and c.relkind in ('r', 'p', 'v', 'm') and c.relowner = owned_by
      and not c.relispartition
  loop
    execute format('revoke all on %s from public, tracker_writer, tracker_reader', it);
    execute format('grant select on %s to tracker_writer', it);
    if kind in ('r', 'p') and name <> 'schema_migrations' then
      execute format('grant insert on %s to tracker_writer', it);
    end if;
    if name = any(growing) then
      execute format('grant update on %s to tracker_writer', it);
    end if;
    if name = 'assets' then    -- its number and its token stay together: stored trades name the number
      execute format('grant update (condition_id, outcome, outcome_index) on %s to tracker_writer', it);
    end if;
    if name = 'rejected_messages' then    -- what was kept stays as it was received
      execute format('grant delete, update (taken_in_at) on %s to tracker_writer', it);
    end if;
    if name in ('connection_events', 'audits') then    -- old ones go
      execute format('grant delete on %s to tracker_writer', it);
    end if;
    if name = 'resolution_conflicts' then    -- it ends, and stays what it was
      -- Before an upgrade, too, when a column that a migration adds is not there yet.
      execute format('grant update (%s) on %s to tracker_writer',
                     (select string_agg(quote_ident(a.attname), ', ') from pg_attribute a
                      where a.attrelid = it::regclass and a.attname in ('cleared_at', 'cleared_by', 'clearance_recorded_at')), it);
    end if;
    if name = any(passing) then
      execute format('grant delete on %s to tracker_writer', it);
    end if;
    if is_public or name = any(of_coverage_gaps) then
      execute format('grant select on %s to tracker_reader', it);
    end if;
    if name = 'journals' then
      execute format('grant update (retired_at) on %s to tracker_writer', it);
      execute format('grant select (journal_key, retired_at) on %s to tracker_reader', it);
    end if;
  end loop;
  -- A sequence that is behind its table, as after some restores, is put right when the tracker opens the database.
  for it in
    select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'tracker') and c.relkind = 'S' and c.relowner = owned_by
  loop
    execute format('revoke all on sequence %s from public, tracker_writer, tracker_reader', it);
    execute format('grant select, update on sequence %s to tracker_writer', it);
  end loop;
  for it, name, is_public in
    select p.oid::regprocedure, p.proname, n.nspname = 'public'
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'tracker') and p.proowner = owned_by and p.prokind = 'f'
      and not exists (select from pg_depend d
                      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  loop
    execute format('revoke all on function %s from public, tracker_writer, tracker_reader', it);
    if is_public or name in ('candle_width', 'covered_until', 'is_first_book') then    -- called with the rights of the caller of another one
      execute format('grant execute on function %s to tracker_writer, tracker_reader', it);
    end if;
    if name = 'add_trade_day' then    -- it makes a table
      execute format('grant execute on function %s to tracker_writer', it);
    end if;
  end loop;
end $$
