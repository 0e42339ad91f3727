-- Returns some tokens whose wishes ended since a time, in that order.
-- Parameters: since (timestamptz), after (asset_key: behind this of those that ended at that time), until (timestamptz), rows.
-- Rows: until_at, asset_key, whether it was wanted before `until`.
select w.until_at, w.asset_key, w.from_at < %(until)s
from tracker.wanted w
where w.until_at >= %(since)s and (w.until_at > %(since)s or w.asset_key > %(after)s)
order by w.until_at, w.asset_key limit %(rows)s
