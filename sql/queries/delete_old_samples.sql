-- Deletes old samples of what cannot be a trade: looks at the next samples in the order of their keys. What may be
-- a trade stays, and so do rows that the database rejected and records of the journal; they are not even read. One
-- that is being taken in waits for the next time, since who takes it in waits for the journal.
-- Parameters: after (message_key), rows (how many are looked at), now (timestamptz; the server's clock counts if it is
-- behind: one that is ahead makes nothing old), kept (interval).
-- Rows: one: the key of the last one that was looked at (NULL: there was none), how many were looked at, how many were
-- deleted.
with page as (
  select message_key, received_at < least(%(now)s::timestamptz, now()) - %(kept)s::interval as is_old
  from public.rejected_messages
  where message_key > %(after)s and doubt is null and epoch is not null and seq is not null
  order by message_key limit %(rows)s
), free as (
  select m.message_key from public.rejected_messages m
  where m.message_key = any(array(select p.message_key from page p where p.is_old))
  for update skip locked
), gone as (
  delete from public.rejected_messages m
  where m.message_key = any(array(select f.message_key from free f))
  returning 1
)
select max(message_key), count(*), (select count(*) from gone) from page
