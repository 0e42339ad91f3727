-- Records a start of the process (ProcessStarted). Epochs that began before it and so far ended
-- with a later record end here; open ones are left to close_lost_epochs.
-- Parameters: journal, seq, at (timestamptz), host, version.
-- Rows: none.
with started as (
  insert into tracker.process_life (journal_key, start_seq, started_at, alive_at, host, version)
  values (%(journal)s, %(seq)s, %(at)s, %(at)s, %(host)s, %(version)s)
  on conflict do nothing
)
update tracker.epochs
set closed_seq = %(seq)s, lost = true, reason = 'process_down', closed_at = proven_until
where journal_key = %(journal)s and epoch < %(seq)s and closed_seq > %(seq)s
  and epoch > coalesce((select max(p.start_seq) from tracker.process_life p
                        where p.journal_key = %(journal)s and p.start_seq < %(seq)s), 0)
