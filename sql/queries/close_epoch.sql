-- Ends an epoch (ListeningClosed). Of two ends the one with the lower journal sequence counts;
-- the proof that comes with a later one does not count: see prove_epochs.
-- Parameters: journal, epoch, seq, at (timestamptz), until (timestamptz or NULL), reason. Rows: none.
insert into epochs as e (journal_key, epoch, proven_until, closed_at, closed_seq, reason)
values (%(journal)s, %(epoch)s, %(until)s, %(at)s, %(seq)s, %(reason)s)
on conflict (journal_key, epoch) do update
set proven_until = case when e.closed_seq < excluded.closed_seq then e.proven_until
                        else greatest(e.proven_until, excluded.proven_until) end,
    (closed_at, closed_seq, reason, lost) = (
      select excluded.closed_at, excluded.closed_seq, excluded.reason, false
      where e.closed_seq is null or excluded.closed_seq < e.closed_seq
      union all
      select e.closed_at, e.closed_seq, e.reason, e.lost
      where e.closed_seq <= excluded.closed_seq)
