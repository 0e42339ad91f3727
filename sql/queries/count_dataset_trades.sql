-- Counts the trades of a time span, for a dataset. It is filled (queries.filled), so that it is planned for its days alone.
-- Values: from_at, to_at, as_of (timestamptz; as_of: nothing that was received later, NULL: all), keys (integer[]; NULL: all
-- tokens).
-- Rows: one.
select count(*) from tracker.trades t
where t.traded_at >= {from_at}::timestamptz and t.traded_at < {to_at}::timestamptz
  and ({as_of}::timestamptz is null or t.received_at <= {as_of}::timestamptz)
  and ({keys}::integer[] is null or t.asset_key = any ({keys}::integer[]))
