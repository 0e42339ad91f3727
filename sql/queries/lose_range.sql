-- Ends every epoch that was open when a range of the journal was written that cannot be read
-- any more: what was received then is lost, so the epoch keeps only the proof from before it.
-- Epochs that had ended before it by a start of the process stay as they are.
-- Parameters: journal, seq (the first sequence of the range). Rows: none.
update tracker.epochs e
set closed_seq = %(seq)s, lost = true, reason = 'journal_hole', closed_at = proven_until
where e.journal_key = %(journal)s and e.epoch < %(seq)s and (e.closed_seq is null or e.closed_seq > %(seq)s)
  and e.epoch > coalesce((select max(p.start_seq) from tracker.process_life p
                          where p.journal_key = %(journal)s and p.start_seq < %(seq)s), 0)
