-- Stores connection events; one that is there already is left out.
-- Parameters: journal (journal_key); arrays of equal length: times (timestamptz),
-- connections, events, reasons (text). Rows: none.
insert into public.connection_events (at, connection, event, reason, journal_key)
select at, connection, event, reason, %(journal)s
from unnest(%(times)s::timestamptz[], %(connections)s::text[], %(events)s::text[], %(reasons)s::text[])
  as e (at, connection, event, reason)
on conflict do nothing
