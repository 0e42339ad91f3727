-- Returns the columns that number the rows of the tracker's tables, where this role may read the sequence.
-- Rows: schema, table, column, schema of the sequence, sequence (text).
select n.nspname::text, c.relname::text, a.attname::text, m.nspname::text, s.relname::text
from pg_attribute a
join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
join pg_namespace n on n.oid = c.relnamespace
join pg_class s
  on s.oid = pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname)::regclass
join pg_namespace m on m.oid = s.relnamespace
where c.relnamespace in (to_regnamespace('public'), to_regnamespace('tracker'))
  and a.attidentity <> '' and has_sequence_privilege(s.oid, 'SELECT')
order by 1, 2, 3
