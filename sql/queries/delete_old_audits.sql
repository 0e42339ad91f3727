-- Deletes old audits, the oldest first.
-- Parameters: rows (how many at most), now (timestamptz; the server's clock counts if it is behind), kept (interval).
-- Rows: one: how many were deleted.
with gone as (
  delete from public.audits a
  where a.ctid = any(array(
    select o.ctid from public.audits o
    where o.checked_at < least(%(now)s::timestamptz, now()) - %(kept)s::interval
    order by o.checked_at limit %(rows)s))
  returning 1
)
select count(*) from gone
