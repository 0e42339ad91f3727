-- Ends some of the epochs that are still open although the process was started again after they began, the oldest
-- first: at their last proof. Only starts below the watermark count: every record before them has arrived.
-- Parameters: journal, watermark (journal sequence), most (how many epochs). Rows: none.
update tracker.epochs e
set closed_seq = life.start_seq, lost = true, reason = 'process_down', closed_at = e.proven_until
from (select o.epoch from tracker.epochs o
      where o.journal_key = %(journal)s and o.closed_seq is null
        and o.epoch < (select max(p.start_seq) from tracker.process_life p
                       where p.journal_key = %(journal)s and p.start_seq < %(watermark)s)
      order by o.epoch limit %(most)s) lost
cross join lateral (select min(p.start_seq) as start_seq from tracker.process_life p
                    where p.journal_key = %(journal)s and p.start_seq > lost.epoch) life
where e.journal_key = %(journal)s and e.epoch = lost.epoch
