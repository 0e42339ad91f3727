-- Records that the process was alive at this time (ProcessAlive).
-- Parameters: journal, seq, at (timestamptz). Rows: none.
update tracker.process_life set alive_at = greatest(alive_at, %(at)s)
where journal_key = %(journal)s
  and start_seq = (select max(start_seq) from tracker.process_life where journal_key = %(journal)s and start_seq < %(seq)s)
