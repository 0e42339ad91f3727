-- Moves the proof of epochs forward, never back (ListeningProven). The end of a lost epoch moves
-- with it. A proof whose sequence is behind the end of its epoch, or behind a later start of the
-- process, does not count: the connection had been given up by then. Of the proofs of one batch the oldest says whether it
-- comes late: after an outage of the database one batch may hold all of it. Proofs above the watermark are kept one by one,
-- since a record that is missing before one of them may be lost.
-- Parameters: journal, complete_below (journal sequence; an epoch below it that has no row is settled), sure_below (every
-- record below it has arrived); arrays of equal length: epochs, seqs (bigint), until (timestamptz). Rows: none.
with proofs as (
  select m.epoch, max(m.until_at) as until_at, min(m.until_at) < now() - interval '10 minutes' as is_late,
         case when max(m.seq) >= %(sure_below)s then jsonb_object_agg(m.seq, m.until_at) end as proofs
  from unnest(%(epochs)b::bigint[], %(seqs)b::bigint[], %(until)b::timestamptz[]) as m (epoch, seq, until_at)
  left join lateral (    -- a look into the index for each epoch
    select k.epoch, k.closed_seq from tracker.epochs k where k.journal_key = %(journal)s and k.epoch = m.epoch
    offset 0) e on true
  where (e.closed_seq is null or m.seq < e.closed_seq) and (e.epoch is not null or m.epoch >= %(complete_below)s)
    and not exists (select from tracker.process_life p
                    where p.journal_key = %(journal)s and p.start_seq > m.epoch and p.start_seq < m.seq offset 0)
  group by m.epoch
)
insert into tracker.epochs (journal_key, epoch, proven_until, late_at, proofs)
select %(journal)s, epoch, until_at, case when is_late then now() end, proofs from proofs
order by epoch
on conflict (journal_key, epoch) do update
set proven_until = greatest(epochs.proven_until, excluded.proven_until),
    late_at = case when epochs.proven_until >= excluded.proven_until then epochs.late_at
                   else coalesce(excluded.late_at, epochs.late_at) end,
    closed_at = case when epochs.lost then greatest(epochs.proven_until, excluded.proven_until) else epochs.closed_at end,
    proofs = case when coalesce(epochs.proofs, excluded.proofs) is not null then (
      select case when max(k.seq) >= %(sure_below)s then jsonb_object_agg(k.seq, k.until_at) end
      from (select case when p.seq::bigint < %(sure_below)s then 0 else p.seq::bigint end as seq, max(p.until_at::timestamptz) as until_at
            from (select * from jsonb_each_text(coalesce(epochs.proofs, jsonb_build_object(0, epochs.proven_until)))
                  union all
                  select * from jsonb_each_text(coalesce(excluded.proofs, jsonb_build_object(0, excluded.proven_until)))) as p (seq, until_at)
            group by 1) k) end
where epochs.proven_until is null or epochs.proven_until < excluded.proven_until or coalesce(epochs.proofs, excluded.proofs) is not null
