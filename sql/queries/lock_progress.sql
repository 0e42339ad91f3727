-- Takes the journal's mark until the end of the transaction: two writers of one
-- journal wait for each other here.
-- Parameters: journal (journal_key). Rows: one: mark.
select mark from journal_progress where journal_key = %(journal)s for update
