-- Ends every epoch that is still open although the process was started again after it began.
-- It ends at its last proof. Parameters: journal. Rows: epoch of each that was ended.
update epochs e
set closed_seq = life.start_seq, lost = true, reason = 'process_down', closed_at = e.proven_until
from process_life life
where e.journal_key = %(journal)s and e.closed_seq is null and life.journal_key = e.journal_key
  and e.epoch < (select max(p.start_seq) from process_life p where p.journal_key = %(journal)s)
  and life.start_seq = (select min(p.start_seq) from process_life p
                        where p.journal_key = e.journal_key and p.start_seq > e.epoch)
returning e.epoch
