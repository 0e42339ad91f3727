-- Deletes ranges that became a part of others. The planner does not see how many: it looks each up in the index.
-- Parameters: journal; arrays of equal length: assets (asset_key), since (timestamptz: from_at). Rows: none.
delete from tracker.coverage_ranges r
using unnest((select %(assets)s::integer[]), (select %(since)s::timestamptz[])) as k (asset_key, from_at)
where r.asset_key = k.asset_key and r.journal_key = %(journal)s and r.from_at = k.from_at
