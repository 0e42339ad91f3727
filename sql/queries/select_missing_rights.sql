-- Returns the rights that this role lacks and that storing needs, as far as the tables are there. A right to some columns is
-- taken for the right. What only `--reingest`, `--retire`, `--acknowledge` or the deletion of old rows need is left out.
-- Rows: many, in order: the right, the table with its schema, this role (text).
with needed (rights, place, names) as (values
  (array['select', 'insert'], 'public', array[
    'assets', 'audits', 'connection_events', 'events', 'market_history', 'markets', 'rejected_messages', 'resolution_confirmations',
    'resolution_conflicts', 'resolution_observations', 'resolution_payouts', 'resolutions']),
  (array['select', 'insert'], 'tracker', array[
    'changed_market_days', 'computed_days', 'coverage_ranges', 'epochs', 'journal_progress', 'journals', 'listening',
    'market_days', 'process_life', 'trades', 'unresolved', 'wanted']),
  (array['update'], 'public', array['assets', 'audits', 'events', 'markets']),
  (array['update'], 'tracker', array[
    'computed_days', 'coverage_ranges', 'epochs', 'journal_progress', 'listening', 'process_life', 'wanted']),
  (array['delete'], 'tracker', array['coverage_ranges', 'epochs', 'listening', 'unresolved']))
select r.own, m.place || '.' || t.name, current_user::text
from needed m
cross join lateral unnest(m.names) t (name)
cross join lateral unnest(m.rights) r (own)
join pg_namespace n on n.nspname = m.place
join pg_class c on c.relnamespace = n.oid and c.relname = t.name
where not case r.own when 'delete' then has_table_privilege(c.oid, 'delete') else has_any_column_privilege(c.oid, r.own) end
order by m.place, t.name, r.own
