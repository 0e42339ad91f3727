-- Records how far a day has come. Parameters: day, journal (journal_key), until (timestamptz or NULL), after (asset_key),
-- done (boolean: it is computed). Rows: none.
update tracker.computed_days
set journal_key = %(journal)s, until_at = %(until)s, asset_key = %(after)s, computed_at = case when %(done)s then now() end
where day = %(day)s
