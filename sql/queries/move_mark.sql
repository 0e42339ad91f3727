-- Takes the journal's mark until the end of the transaction, and moves it, never back: two
-- writers of one journal wait for each other here.
-- Parameters: journal (journal_key), mark (journal sequence; null: it stays where it is).
-- Rows: one: mark as it stands.
update journal_progress set mark = greatest(mark, %(mark)s), moved_at = now()
where journal_key = %(journal)s returning mark
