-- Waits until no other process migrates; held until the end of the transaction. Only the owner may take it: no reader and no
-- tracker can keep a migration waiting with it, and none of them waits for it. Rows: none.
lock table tracker.schema_migrations in share update exclusive mode
