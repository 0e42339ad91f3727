-- Returns the number that a cluster is given when it is made; every role may ask, unless that was revoked.
-- Rows: one: system_identifier (text).
select system_identifier::text from pg_control_system()
