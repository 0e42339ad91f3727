-- Stores trades that are not there yet, sorted by traded_at, asset_key, trade_hash:
-- two writers of the same trades then wait for each other instead of deadlocking.
-- Parameters: none; the rows follow in PostgreSQL's binary COPY format.
-- Rows: none. If one trade is there already, the whole statement fails.
copy tracker.trades (traded_at, received_at, trade_hash, epoch, sequence, asset_key, occurrence, fee_rate_bps,
                     is_buy, price, size, transaction_hash, trade_id, extra)
from stdin (format binary)
