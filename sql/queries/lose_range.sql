-- Ends every epoch that was open when a range of the journal was written that cannot be read
-- any more: what was received then is lost, so the epoch keeps only the proof from before it,
-- also where later ones have been stored already.
-- Epochs that had ended before it by a start of the process stay as they are.
-- Parameters: journal, seq (the first sequence of the range). Rows: none.
update tracker.epochs e
set (closed_seq, lost, reason, proven_until, closed_at) = (
  select %(seq)s, true, 'journal_hole', before.until_at, before.until_at
  from (select case when e.proofs is null then e.proven_until
                    else (select max(p.until_at::timestamptz) from jsonb_each_text(e.proofs) as p (seq, until_at)
                          where p.seq::bigint < %(seq)s) end as until_at) before)
where e.journal_key = %(journal)s and e.epoch < %(seq)s and (e.closed_seq is null or e.closed_seq > %(seq)s)
  and e.epoch > coalesce((select max(p.start_seq) from tracker.process_life p
                          where p.journal_key = %(journal)s and p.start_seq < %(seq)s), 0)
