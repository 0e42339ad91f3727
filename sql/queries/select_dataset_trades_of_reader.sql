-- Returns the trades of a time span, as select_dataset_trades, for a role that may read what is public alone: slower.
-- Values and rows: as there.
select t.traded_at, t.received_at, k.asset_key, t.side = 'BUY' as is_buy,
       case when min_scale(t.price) <= 18 then (t.price * 1000000000000000000)::int8 end as price,
       case when min_scale(t.size) <= 6 and t.size < 1000000000000 then (t.size * 1000000)::int8 end as size,
       case when not (min_scale(t.size) <= 6 and t.size < 1000000000000) then t.size::text end as wide_size,
       t.fee_rate_bps::int2 as fee_rate_bps, decode(substr(t.transaction_hash, 3), 'hex') as transaction_hash,
       t.occurrence::int2 as occurrence, t.epoch, t.sequence, t.trade_id, t.extra::text as extra
from public.trades t join public.assets k using (token_id)
where t.traded_at >= {from_at}::timestamptz and t.traded_at < {to_at}::timestamptz
  and ({as_of}::timestamptz is null or t.received_at <= {as_of}::timestamptz)
  and ({keys}::integer[] is null or k.asset_key = any ({keys}::integer[]))
order by t.traded_at
