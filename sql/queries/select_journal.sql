-- Returns a journal's key and watermark.
-- Parameters: journal_id (uuid).
-- Rows: one: journal_key (int), mark (lowest journal sequence that is not yet committed).
select journal_key, mark from journals join journal_progress using (journal_key)
where journal_id = %(journal_id)s
