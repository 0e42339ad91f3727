-- Locks the journal's watermark until the end of the transaction, and moves it, never back:
-- two writers of one journal wait for each other here.
-- Parameters: journal (journal_key), watermark (journal sequence; null: it stays where it is).
-- Rows: one: the watermark after the move.
update journal_progress set mark = greatest(mark, %(watermark)s), moved_at = now()
where journal_key = %(journal)s returning mark
