-- Tells the prices of a token over a time.
-- Parameters: token, start, end, width (interval).
-- Rows, in the order of time: bucket, low, high, close.
select c.bucket, c.low, c.high, c.close from public.candles(%(token)s, %(start)s, %(end)s, %(width)s) c order by c.bucket
