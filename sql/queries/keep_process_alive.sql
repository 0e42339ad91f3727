-- Records that the process was alive at this time, and what it had measured of its day by then (ProcessAlive).
-- Parameters: journal, seq, at (timestamptz), day (jsonb; null: it has measured nothing). Rows: none.
update tracker.process_life
set alive_at = greatest(alive_at, %(at)s),
    day = case when %(at)s >= alive_at then coalesce(%(day)s::jsonb, day) else day end
where journal_key = %(journal)s
  and start_seq = (select max(start_seq) from tracker.process_life where journal_key = %(journal)s and start_seq < %(seq)s)
