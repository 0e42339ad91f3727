-- Writes the end of ended epochs into their listening rows, unless they were released before it.
-- Parameters: journal, epochs (bigint[], those that may have changed). Rows: none.
update listening l
set until_at = greatest(l.from_at, e.proven_until), released_seq = e.closed_seq, cause = e.reason
from epochs e
where e.journal_key = %(journal)s and e.epoch = any(%(epochs)s::bigint[]) and e.closed_seq is not null
  and l.journal_key = e.journal_key and l.epoch = e.epoch and l.confirmed_seq < e.closed_seq
  and (l.released_seq is null or l.released_seq >= e.closed_seq)
  and (l.until_at, l.released_seq, l.cause)
    is distinct from (greatest(l.from_at, e.proven_until), e.closed_seq, e.reason)
