-- Counts the messages of a time that were not used, by reason.
-- Parameters: start, end, tokens (NULL: all; else only what may be a trade of these), most.
-- Rows, what may be trades first, then the most frequent: reason, whether they may be trades, messages, how many of them were taken in
-- later, the first and the last time, the beginning of the first one.
select g.reason, g.doubtful, g.messages, g.taken_in, g.first, g.last, left(encode(m.payload, 'escape'), 400)
from (select left(r.reason, 200) as reason, r.doubt is not null or r.epoch is null as doubtful, count(*) as messages,
             count(r.taken_in_at) as taken_in, min(r.received_at) as first, max(r.received_at) as last,
             min(r.message_key) as message_key
      from public.rejected_messages r
      where r.received_at >= %(start)s and r.received_at < %(end)s
        and (%(tokens)s::text[] is null or r.doubt = any(%(tokens)s::text[]))
      group by 1, 2) g
join public.rejected_messages m using (message_key)
order by g.doubtful desc, g.messages desc, g.reason limit %(most)s
