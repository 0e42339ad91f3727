-- Returns what is stored of a market in a time, by token and transaction; trades without a transaction one by one.
-- Parameters: condition, from, until (timestamptz), limit (rows at most).
-- Rows: token_id, transaction_hash (NULL: there is none), size of all, times of the first and of the last.
-- The tokens first, as a list: so each is read by its index, within the days of that time.
select a.token_id, t.transaction_hash, sum(t.size), min(t.traded_at), max(t.traded_at)
from tracker.trades t join public.assets a using (asset_key)
where t.asset_key = any(array(select k.asset_key from public.assets k where k.condition_id = %(condition)s))
  and t.traded_at >= %(from)s and t.traded_at < %(until)s
group by a.token_id, t.transaction_hash,
         case when t.transaction_hash is null then t.trade_hash end, case when t.transaction_hash is null then t.traded_at end
limit %(limit)s
