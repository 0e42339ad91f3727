-- Counts what a transaction has stored for the status of today.
-- Parameters: journal, at (seconds since 1970, the clock of the tracker's host), rows (new rows of tracker.trades). Rows: none.
update tracker.journal_progress p
set stored_rows = case when p.stored_on = today.day then p.stored_rows else 0 end + %(rows)s,
    stored_on = today.day
from (select (to_timestamp(%(at)s) at time zone 'UTC')::date as day) today
where p.journal_key = %(journal)s
