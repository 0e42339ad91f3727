-- Stores rejected messages; one that is there already is left out.
-- Parameters: journal (journal_key); arrays of equal length: received
-- (timestamptz), connections, reasons, payloads (bytea), seqs (journal sequence
-- or NULL), indexes (int or NULL), epochs (bigint or NULL), occurrences (int),
-- doubts (token_id, '*' for any, or NULL), since, until (timestamptz or NULL: time
-- that is not covered because of it). Rows: none.
insert into public.rejected_messages (received_at, connection, reason, payload, journal_key, seq, index,
                               epoch, occurrence, doubt, uncovered)
select received_at, connection, reason, payload, %(journal)s, seq, index, epoch, occurrence, doubt,
       case when since is not null then tstzrange(since, until) end
from unnest(%(received)b::timestamptz[], %(connections)b::text[], %(reasons)b::text[], %(payloads)b::bytea[],
            %(seqs)b::bigint[], %(indexes)b::integer[], %(epochs)b::bigint[], %(occurrences)b::integer[],
            %(doubts)b::text[], %(since)b::timestamptz[], %(until)b::timestamptz[])
  as m (received_at, connection, reason, payload, seq, index, epoch, occurrence, doubt, since, until)
on conflict do nothing
