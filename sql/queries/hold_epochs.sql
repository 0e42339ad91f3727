-- Keeps epochs from being settled, since a rejected message puts them in doubt: what it hides may be taken in later.
-- Parameters: journal, epochs (bigint[]). Rows: none.
update tracker.epochs set held = true where journal_key = %(journal)s and epoch = any((select %(epochs)s::bigint[])::bigint[])
