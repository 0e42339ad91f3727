-- Returns in which whole hours since a time a connection began or ended.
-- Parameters: since (timestamptz), events (how many events are looked at, the latest).
-- Rows: one for each: when it begins.
select distinct date_trunc('hour', e.at, 'UTC')
from (select c.at from public.connection_events c
      where c.at >= %(since)s and c.event not in ('sent_twice', 'dated_apart')
      order by c.at desc limit %(events)s) e
