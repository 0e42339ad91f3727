-- Counts those of some rejections that are not kept. One without a place in the journal is found by its payload.
-- Parameters: journal; arrays of equal length: payloads (bytea), seqs, indexes (NULL: a rejection by the database).
-- Rows: one: how many.
select count(*)
from unnest(%(payloads)b::bytea[], %(seqs)b::bigint[], %(indexes)b::integer[]) as g (payload, seq, index)
where case when g.seq is null then not exists (
        select from public.rejected_messages r
        where r.journal_key = %(journal)s and r.seq is null and sha256(r.payload) = sha256(g.payload) offset 0)
      else not exists (
        select from public.rejected_messages r
        where (r.journal_key, r.seq, r.index) = (%(journal)s, g.seq, g.index) offset 0) end
