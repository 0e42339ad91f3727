-- Returns the migrations that were applied. A database that an older version made lacks the column.
-- Rows: name, checksum, whether versions without this migration may write; by name.
select m.name, m.checksum, coalesce((to_jsonb(m) ->> 'previous_may_write')::boolean, false)
from schema_migrations m order by m.name
