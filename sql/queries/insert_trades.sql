-- Stores trades that are not there yet. Sorted, so that two writers of the same trades wait
-- for each other instead of deadlocking; of duplicates the one that was received first stays.
-- Parameters: arrays of equal length, binary: traded (timestamptz), received
-- (timestamptz), hashes, epochs, sequences (bigint), assets (asset_key), fees (basis points),
-- occurrences, buys (boolean), prices (USDC a share), sizes (shares), transactions
-- (bytes), trade_ids, extras (JSON text).
-- Rows: none; the row count is the number of new trades.
insert into tracker.trades (traded_at, received_at, trade_hash, epoch, sequence, asset_key, fee_rate_bps, occurrence,
                            is_buy, price, size, transaction_hash, trade_id, extra)
select traded_at, received_at, trade_hash, epoch, sequence, asset_key, fee_rate_bps, occurrence,
       is_buy, price, size, transaction_hash, trade_id, extra::jsonb
from unnest(%(traded)b::timestamptz[], %(received)b::timestamptz[], %(hashes)b::bigint[], %(epochs)b::bigint[],
            %(sequences)b::bigint[], %(assets)b::integer[], %(fees)b::bigint[], %(occurrences)b::integer[],
            %(buys)b::boolean[], %(prices)b::numeric[], %(sizes)b::numeric[], %(transactions)b::bytea[],
            %(trade_ids)b::text[], %(extras)b::text[])
  as t (traded_at, received_at, trade_hash, epoch, sequence, asset_key, fee_rate_bps, occurrence,
        is_buy, price, size, transaction_hash, trade_id, extra)
order by traded_at, asset_key, trade_hash, received_at
on conflict do nothing
