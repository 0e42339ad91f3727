-- Moves the proof of epochs forward, never back (ListeningProven). The end of a lost epoch moves
-- with it. A proof whose sequence is behind the end of its epoch, or behind a later start of the
-- process, does not count: the connection had been given up by then. Of the proofs of one batch the oldest says whether it
-- comes late: after an outage of the database one batch may hold all of it.
-- Parameters: journal, complete_below (journal sequence; an epoch below it that has no row is settled); arrays of equal
-- length: epochs, seqs (bigint), until (timestamptz). Rows: none.
with proofs as (
  select m.epoch, max(m.until_at) as until_at, min(m.until_at) < now() - interval '10 minutes' as is_late
  from unnest(%(epochs)b::bigint[], %(seqs)b::bigint[], %(until)b::timestamptz[]) as m (epoch, seq, until_at)
  left join lateral (    -- a look into the index for each epoch
    select k.epoch, k.closed_seq from tracker.epochs k where k.journal_key = %(journal)s and k.epoch = m.epoch
    offset 0) e on true
  where (e.closed_seq is null or m.seq < e.closed_seq) and (e.epoch is not null or m.epoch >= %(complete_below)s)
    and not exists (select from tracker.process_life p
                    where p.journal_key = %(journal)s and p.start_seq > m.epoch and p.start_seq < m.seq offset 0)
  group by m.epoch
)
insert into tracker.epochs (journal_key, epoch, proven_until, late_at)
select %(journal)s, epoch, until_at, case when is_late then now() end from proofs
order by epoch
on conflict (journal_key, epoch) do update
set proven_until = excluded.proven_until, late_at = coalesce(excluded.late_at, epochs.late_at),
    closed_at = case when epochs.lost then excluded.proven_until else epochs.closed_at end
where epochs.proven_until is null or epochs.proven_until < excluded.proven_until
