-- Stores trades that are not there yet. Sorted, so that two writers of the same trades wait
-- for each other instead of deadlocking; of duplicates the one that was received first stays.
-- Parameters: arrays of equal length, binary: traded (timestamptz), received
-- (timestamptz), hashes (bigint), assets (asset_key), fees (basis points),
-- occurrences, sides, prices (USDC a share), sizes (shares), transactions
-- (bytes), trade_ids, extras (JSON text).
-- Rows: none; the row count is the number of new trades.
insert into prints (traded_at, received_at, print_hash, asset_key, fee_rate_bps, occurrence,
                    side, price, size, transaction_hash, trade_id, extra)
select traded_at, received_at, print_hash, asset_key, fee_rate_bps, occurrence,
       side, price, size, transaction_hash, trade_id, extra::jsonb
from unnest(%(traded)b::timestamptz[], %(received)b::timestamptz[], %(hashes)b::bigint[], %(assets)b::integer[],
            %(fees)b::bigint[], %(occurrences)b::integer[], %(sides)b::text[], %(prices)b::numeric[],
            %(sizes)b::numeric[], %(transactions)b::bytea[], %(trade_ids)b::text[], %(extras)b::text[])
  as p (traded_at, received_at, print_hash, asset_key, fee_rate_bps, occurrence,
        side, price, size, transaction_hash, trade_id, extra)
order by traded_at, asset_key, print_hash, received_at
on conflict do nothing
