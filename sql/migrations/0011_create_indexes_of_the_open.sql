-- Why: a start reads the markets that are open, and those that are closed and still wanted. Among
--      millions that are closed and resolved they were looked for one by one, minutes long. Both are
--      few at any time, so two indexes hold nothing else.
-- Locks: SHARE on markets and wanted (writers wait while the indexes are built). Takes: about 2 s a
--      million markets that are not in memory.
-- Previous versions: may go on writing.
create index markets_open on markets (condition_id) where not closed;
create index wanted_open on wanted (journal_key, asset_key) where until_at is null;
