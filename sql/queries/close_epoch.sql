-- Ends an epoch (ListeningClosed). Of two ends the one with the lower journal sequence counts;
-- the proof that comes with a later one does not count: see prove_epochs.
-- One that is settled stays so.
-- Parameters: journal, epoch, seq, at (timestamptz), until (timestamptz or NULL), reason, complete_below (journal
-- sequence; an epoch below it that has no row is settled), sure_below (every record below it has arrived). Rows: none.
insert into tracker.epochs as e (journal_key, epoch, proven_until, late_at, closed_at, closed_seq, reason, proofs)
select %(journal)s, %(epoch)s, %(until)s::timestamptz, case when %(until)s < now() - interval '10 minutes' then now() end,
       %(at)s, %(seq)s, %(reason)s,
       case when %(seq)s >= %(sure_below)s then jsonb_build_object(%(seq)s, %(until)s::timestamptz) end
where %(epoch)s >= %(complete_below)s
   or exists (select from tracker.epochs k where k.journal_key = %(journal)s and k.epoch = %(epoch)s)
on conflict (journal_key, epoch) do update
set late_at = case when e.proven_until >= excluded.proven_until or e.closed_seq < excluded.closed_seq
                   then e.late_at else coalesce(excluded.late_at, e.late_at) end,
    proven_until = case when e.closed_seq < excluded.closed_seq then e.proven_until
                        else greatest(e.proven_until, excluded.proven_until) end,
    proofs = case when coalesce(e.proofs, excluded.proofs) is not null and not coalesce(e.closed_seq < excluded.closed_seq, false) then (
      select case when max(k.seq) >= %(sure_below)s then jsonb_object_agg(k.seq, k.until_at) end
      from (select case when p.seq::bigint < %(sure_below)s then 0 else p.seq::bigint end as seq, max(p.until_at::timestamptz) as until_at
            from (select * from jsonb_each_text(coalesce(e.proofs, jsonb_build_object(0, e.proven_until)))
                  union all
                  select * from jsonb_each_text(coalesce(excluded.proofs, jsonb_build_object(0, excluded.proven_until)))) as p (seq, until_at)
            group by 1) k)
                  else e.proofs end,
    (closed_at, closed_seq, reason, lost) = (
      select excluded.closed_at, excluded.closed_seq, excluded.reason, false
      where e.closed_seq is null or excluded.closed_seq < e.closed_seq
      union all
      select e.closed_at, e.closed_seq, e.reason, e.lost
      where e.closed_seq <= excluded.closed_seq)
