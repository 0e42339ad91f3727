-- Returns the next rejected messages that are not taken in yet, in order, and locks them. Those of a
-- connection come once it has ended and all of its facts are stored, for only then it is known which time
-- was not covered because of them; or after its tracker has told nothing for a day.
-- Parameters: after (message_key), since (timestamptz: received then or later), rows (most of them), bytes
-- (of payloads, after which no further one is returned).
-- Rows: message_key, journal_key, epoch, doubt, connection, reason, payload, occurrence, received_at,
-- the exchange's time as far as it is known (timestamptz), seq (journal sequence or NULL).
with page as (
  select m.message_key, octet_length(m.payload) as size
  from public.rejected_messages m
  left join tracker.epochs e using (journal_key, epoch)
  where m.taken_in_at is null and m.message_key > %(after)s and m.received_at >= %(since)s
    and (e.epoch is null
         or e.closed_seq < (select p.mark from tracker.journal_progress p where p.journal_key = m.journal_key)
         or not exists (select from tracker.process_life l
                        where l.journal_key = m.journal_key and l.alive_at > now() - interval '1 day'))
  order by m.message_key limit %(rows)s
), fitting as (
  select message_key, sum(size) over (order by message_key) - size as before from page
)
select m.message_key, m.journal_key, m.epoch, m.doubt, m.connection, m.reason, m.payload, m.occurrence, m.received_at,
       greatest(m.received_at, e.proven_until), m.seq
from public.rejected_messages m
left join tracker.epochs e using (journal_key, epoch)
where m.message_key in (select f.message_key from fitting f where f.before < %(bytes)s) and m.taken_in_at is null
order by m.message_key
for update of m
