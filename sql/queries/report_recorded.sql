-- Tells the first and the last trade that is stored.
-- Rows: one: both times, or NULLs.
select (select t.traded_at from public.trades t order by t.traded_at limit 1),
       (select t.traded_at from public.trades t order by t.traded_at desc limit 1)
