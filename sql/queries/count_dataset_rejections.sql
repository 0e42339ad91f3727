-- Counts what may be trades and was not taken, of a time of receipt.
-- Parameters: from_at, to_at, as_of (timestamptz; NULL: all that is known).
-- Rows: reason, how many, how many of them were taken in since; in order.
select m.reason, count(*),
       count(*) filter (where m.taken_in_at <= coalesce(%(as_of)s::timestamptz, 'infinity'))
from public.rejected_messages m
where m.received_at >= %(from_at)s::timestamptz and m.received_at < %(to_at)s::timestamptz and m.received_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
  and (m.doubt is not null or m.epoch is null)
group by m.reason order by m.reason collate "C"
