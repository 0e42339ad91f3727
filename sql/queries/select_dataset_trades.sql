-- Returns the trades of a time span, for a dataset. It is filled (queries.filled), since it is run by COPY, which takes no
-- parameters. Numbers go as integers where they fit, which is cheaper for both sides than `numeric`.
-- Values: as those of count_dataset_trades.
-- Rows: in the order of traded_at. price: of 10^-18, NULL: it has more decimals than 18; size: of 10^-6, NULL: it has more
-- decimals than 6 or is too large, then wide_size has it.
select t.traded_at, t.received_at, t.asset_key, t.is_buy,
       case when scale(t.price) <= 18 or min_scale(t.price) <= 18 then (t.price * 1000000000000000000)::int8 end as price,
       case when scale(t.size) <= 6 and t.size < 1000000000000 then (t.size * 1000000)::int8 end as size,
       case when not (scale(t.size) <= 6 and t.size < 1000000000000) then t.size::text end as wide_size,
       t.fee_rate_bps, t.transaction_hash, t.occurrence, t.epoch, t.sequence, t.trade_id, t.extra::text as extra
from tracker.trades t
where t.traded_at >= {from_at}::timestamptz and t.traded_at < {to_at}::timestamptz
  and ({as_of}::timestamptz is null or t.received_at <= {as_of}::timestamptz)
  and ({keys}::integer[] is null or t.asset_key = any ({keys}::integer[]))
order by t.traded_at
