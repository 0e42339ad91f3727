-- Returns to whom the tables belong, and whether this role may change them.
-- Rows: at most one: the owner, this role (text), may_change (boolean).
select pg_get_userbyid(c.relowner)::text, current_user::text, pg_has_role(c.relowner, 'usage')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'tracker' and c.relname = 'schema_migrations'
