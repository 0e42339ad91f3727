-- Stores rejected messages; one that is there already is left out.
-- Parameters: journal (journal_key); arrays of equal length: received
-- (timestamptz), connections, reasons, payloads (bytea), seqs (journal sequence
-- or NULL), indexes (int or NULL). Rows: none.
insert into rejected_messages (received_at, connection, reason, payload, journal_key, seq, index)
select received_at, connection, reason, payload, %(journal)s, seq, index
from unnest(%(received)b::timestamptz[], %(connections)b::text[], %(reasons)b::text[], %(payloads)b::bytea[],
            %(seqs)b::bigint[], %(indexes)b::integer[]) as m (received_at, connection, reason, payload, seq, index)
on conflict do nothing
