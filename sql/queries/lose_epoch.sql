-- Ends one epoch whose end could not be stored, at its last proof. An end with a lower sequence stays.
-- Parameters: journal, epoch, seq (of the end), reason, complete_below (journal sequence; an epoch below it that has no row
-- is settled). Rows: none.
insert into tracker.epochs as e (journal_key, epoch, closed_seq, lost, reason)
select %(journal)s, %(epoch)s, %(seq)s, true, %(reason)s
where %(epoch)s >= %(complete_below)s
   or exists (select from tracker.epochs k where k.journal_key = %(journal)s and k.epoch = %(epoch)s)
on conflict (journal_key, epoch) do update
set closed_seq = excluded.closed_seq, lost = true, reason = excluded.reason, closed_at = e.proven_until
where e.closed_seq is null or e.closed_seq > excluded.closed_seq
