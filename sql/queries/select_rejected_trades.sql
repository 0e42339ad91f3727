-- Returns the next trades that the database could not hold and that are not taken in yet, in order, and locks them.
-- Parameters: after (message_key), rows (most of them), bytes (of payloads, after which no further one is returned).
-- Rows: as of select_kept_messages.
with page as (
  select m.message_key, octet_length(m.payload) as size
  from public.rejected_messages m
  where m.uncovered is not null and m.taken_in_at is null and m.message_key > %(after)s
  order by m.message_key limit %(rows)s
), fitting as (
  select message_key, sum(size) over (order by message_key) - size as before from page
)
select m.message_key, m.journal_key, m.epoch, m.doubt, m.connection, m.reason, m.payload, m.occurrence, m.received_at,
       m.received_at, m.seq
from public.rejected_messages m
where m.message_key in (select f.message_key from fitting f where f.before < %(bytes)s) and m.taken_in_at is null
order by m.message_key
for update of m
