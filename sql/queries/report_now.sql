-- Tells the time of the database, for what is not over yet.
-- Rows: one: now.
select now()
