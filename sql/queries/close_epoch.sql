-- Ends an epoch (ListeningClosed). Of two ends the one with the lower journal sequence counts;
-- the proof that comes with a later one does not count: see prove_epochs.
-- One that is settled stays so.
-- Parameters: journal, epoch, seq, at (timestamptz), until (timestamptz or NULL), reason, complete_below (journal
-- sequence; an epoch below it that has no row is settled). Rows: none.
insert into tracker.epochs as e (journal_key, epoch, proven_until, late_at, closed_at, closed_seq, reason)
select %(journal)s, %(epoch)s, %(until)s, case when %(until)s < now() - interval '10 minutes' then now() end,
       %(at)s, %(seq)s, %(reason)s
where %(epoch)s >= %(complete_below)s
   or exists (select from tracker.epochs k where k.journal_key = %(journal)s and k.epoch = %(epoch)s)
on conflict (journal_key, epoch) do update
set late_at = case when e.proven_until >= excluded.proven_until or e.closed_seq < excluded.closed_seq
                   then e.late_at else coalesce(excluded.late_at, e.late_at) end,
    proven_until = case when e.closed_seq < excluded.closed_seq then e.proven_until
                        else greatest(e.proven_until, excluded.proven_until) end,
    (closed_at, closed_seq, reason, lost) = (
      select excluded.closed_at, excluded.closed_seq, excluded.reason, false
      where e.closed_seq is null or excluded.closed_seq < e.closed_seq
      union all
      select e.closed_at, e.closed_seq, e.reason, e.lost
      where e.closed_seq <= excluded.closed_seq)
