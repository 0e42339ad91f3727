-- Returns why this session would not reach the trades that TimescaleDB keeps, if it would not. Their rows lie in chunks, which
-- the extension finds: without it, and while a restore has it turned off, a statement stores into the table itself and
-- reads that alone, without an error; afterwards nobody finds what is there.
-- Rows: at most one: 'restoring' or 'not loaded' (text).
select case when current_setting('timescaledb.restoring', true) is null then 'not loaded' else 'restoring' end
from pg_extension
where extname = 'timescaledb' and current_setting('timescaledb.restoring', true) is distinct from 'off'
  and not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = 'tracker' and c.relname = 'trades' and c.relkind = 'p')
