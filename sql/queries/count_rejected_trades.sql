-- Returns how many trades the database could not hold that are not taken in yet, of all trackers.
-- Rows: one.
select count(*) from public.rejected_messages where uncovered is not null and taken_in_at is null
