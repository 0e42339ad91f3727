-- Lets this transaction alone compute coverage by market and day. Parameters: none.
-- Rows: one; or none when another tracker is at it, or no day is announced yet.
select d.day from tracker.computed_days d where d.day = (select min(f.day) from tracker.computed_days f) for update skip locked
