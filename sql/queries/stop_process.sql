-- Records an orderly stop of the process (ProcessStopped).
-- Parameters: journal, seq, at (timestamptz). Rows: none.
update tracker.process_life set stopped_at = coalesce(stopped_at, %(at)s)
where journal_key = %(journal)s
  and start_seq = (select max(start_seq) from tracker.process_life where journal_key = %(journal)s and start_seq < %(seq)s)
