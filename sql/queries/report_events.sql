-- Counts what happened to connections in a time. The reason of a disputed trade names the trade, so it is left out.
-- Parameters: start, end, most.
-- Rows, the most frequent first: event, reason, times, connections, the last time.
select e.event, case when e.event in ('sent_twice', 'dated_apart') then '' else left(e.reason, 200) end as reason,
       count(*) as times, count(distinct e.connection) as connections, max(e.at) as last
from public.connection_events e
where e.at >= %(start)s and e.at < %(end)s
group by 1, 2
order by times desc, event, reason limit %(most)s
