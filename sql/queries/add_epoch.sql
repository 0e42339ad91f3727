-- Adds an epoch of which only the number is known. Parameters: journal, epoch. Rows: none.
insert into tracker.epochs (journal_key, epoch) values (%(journal)s, %(epoch)s) on conflict do nothing
