-- Finds markets that could be traded in a time, the largest by their volume first.
-- Parameters: start, end, most (markets).
-- Rows: condition_id.
select m.condition_id from public.markets m
where m.first_seen_at < %(end)s and coalesce(m.closed_time, 'infinity') > %(start)s
order by m.volume desc nulls last, m.condition_id limit %(most)s
