-- Counts the trades of a time, each read once: by bin, and by market.
-- Parameters: start, end, width (interval: of a bin), market (NULL: all), most (markets to return).
-- Rows: kind `bin`: its start, NULL, trades, USDC; kind `market`, the most traded first: NULL, its id, trades, USDC, the token with
-- the most trades; kind `all`: NULL, NULL, how many markets there are, NULL.
with counted as materialized (
  select grouping(t.token_id) = 1 as is_bin,
         date_bin(%(width)s, t.traded_at, %(start)s) as bin, t.condition_id, t.token_id,
         count(*) as trades, sum(t.price * t.size) as usdc
  from public.trades t
  where t.traded_at >= %(start)s and t.traded_at < %(end)s
    and (%(market)s::text is null or t.condition_id = %(market)s)
  group by grouping sets ((date_bin(%(width)s, t.traded_at, %(start)s)), (t.condition_id, t.token_id))
), by_market as (
  select condition_id, sum(trades)::bigint as trades, sum(usdc) as usdc,
         (array_agg(token_id order by trades desc, token_id))[1] as token_id
  from counted where not is_bin group by condition_id
)
select 'bin' as kind, bin, null as condition_id, trades, usdc, null as token_id from counted where is_bin
union all
(select 'market', null, condition_id, trades, usdc, token_id from by_market
 order by usdc desc, condition_id limit %(most)s)
union all
select 'all', null, null, count(*), null, null from by_market
