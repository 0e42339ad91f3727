-- An administrator migrates as the role that owns the schema, if there is one: what is made belongs to it.
-- Rows: the name of the role, or none.
select set_config('role', pg_get_userbyid(n.nspowner), false)
from pg_namespace n
where n.nspname = 'tracker' and pg_get_userbyid(n.nspowner) <> current_user
  and (select r.rolsuper from pg_roles r where r.rolname = current_user)
