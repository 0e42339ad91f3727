-- Starts an epoch: the time from the opening of a connection to its end (ListeningOpened).
-- Parameters: journal, epoch (its journal sequence), connection, leg, at (timestamptz). Rows: none.
insert into tracker.epochs (journal_key, epoch, connection, leg, opened_at)
values (%(journal)s, %(epoch)s, %(connection)s, %(leg)s, %(at)s)
on conflict (journal_key, epoch) do update
set connection = excluded.connection, leg = excluded.leg, opened_at = excluded.opened_at
where epochs.opened_at is null
