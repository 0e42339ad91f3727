-- Moves the proof of epochs forward, never back (ListeningProven). A lost epoch's end moves with it.
-- Parameters: journal; arrays of equal length, each epoch once: epochs (bigint), until (timestamptz).
-- Rows: epoch, whether it has ended; one for each that moved.
insert into epochs (journal_key, epoch, proven_until)
select %(journal)s, epoch, until_at from unnest(%(epochs)b::bigint[], %(until)b::timestamptz[]) as m (epoch, until_at)
order by epoch
on conflict (journal_key, epoch) do update
set proven_until = excluded.proven_until,
    closed_at = case when epochs.lost then excluded.proven_until else epochs.closed_at end
where epochs.proven_until is null or epochs.proven_until < excluded.proven_until
returning epoch, closed_seq is not null
