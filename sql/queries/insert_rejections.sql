-- Stores rejected messages; one that is there already is left out.
-- Parameters: journal (journal_key); arrays of equal length: received
-- (timestamptz), connections, reasons, payloads (bytea), seqs (journal sequence
-- or NULL), indexes (int or NULL), epochs (bigint or NULL), occurrences (int),
-- doubts (token_id, '*' for any, or NULL). Rows: none.
insert into public.rejected_messages (received_at, connection, reason, payload, journal_key, seq, index,
                               epoch, occurrence, doubt)
select received_at, connection, reason, payload, %(journal)s, seq, index, epoch, occurrence, doubt
from unnest(%(received)b::timestamptz[], %(connections)b::text[], %(reasons)b::text[], %(payloads)b::bytea[],
            %(seqs)b::bigint[], %(indexes)b::integer[], %(epochs)b::bigint[], %(occurrences)b::integer[],
            %(doubts)b::text[])
  as m (received_at, connection, reason, payload, seq, index, epoch, occurrence, doubt)
on conflict do nothing
