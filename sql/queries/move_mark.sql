-- Moves the journal's mark, never back.
-- Parameters: journal (journal_key), mark (journal sequence). Rows: one: mark as it stands.
update journal_progress set mark = greatest(mark, %(mark)s), moved_at = now()
where journal_key = %(journal)s returning mark
