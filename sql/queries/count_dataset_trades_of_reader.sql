-- Counts the trades of a time span, as count_dataset_trades, for a role that may read what is public alone.
-- Values: as there. Rows: one.
select count(*) from public.trades t
where t.traded_at >= {from_at}::timestamptz and t.traded_at < {to_at}::timestamptz
  and ({as_of}::timestamptz is null or t.received_at <= {as_of}::timestamptz)
  and ({keys}::integer[] is null
       or t.token_id in (select a.token_id from public.assets a where a.asset_key = any ({keys}::integer[])))
