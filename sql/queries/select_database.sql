-- Returns which database this is, and whether nothing is in it but what every database has and what extensions brought.
-- A restore makes functions before it makes the first table. Indexes belong to a table, and never to an extension.
-- Rows: one: its number on this server (bigint), is_empty (boolean).
select d.oid::bigint,
       not exists (
         select from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
           and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
           and not exists (select from pg_depend e
                           where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'))
       and not exists (
         select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_temp'
           and not exists (select from pg_depend e
                           where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e'))
from pg_database d where d.datname = current_database()
