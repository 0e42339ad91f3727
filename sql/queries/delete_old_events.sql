-- Deletes old connection events: looks at the next ones in the order of their times. Marks of disputed trades stay, as
-- the trades do. Of those with one time a page may leave some for the next time.
-- Parameters: after (timestamptz, those until then were looked at), rows (how many are looked at), now (timestamptz; the
-- server's clock counts if it is behind: one that is ahead makes nothing old), kept (interval).
-- Rows: one: the time of the last one that was looked at (NULL: there was none), how many were looked at, whether any
-- of them is old, how many were deleted.
with page as (
  select ctid as place, at, event not in ('sent_twice', 'dated_apart') as may_go,
         at < least(%(now)s::timestamptz, now()) - %(kept)s::interval as is_old
  from public.connection_events where at > %(after)s order by at limit %(rows)s
), gone as (
  delete from public.connection_events e
  where e.ctid = any(array(select p.place from page p where p.is_old and p.may_go))
  returning 1
)
select max(at), count(*), coalesce(bool_or(is_old), false), (select count(*) from gone) from page
