-- Begins a life of the tracker (ProcessStarted).
-- Parameters: journal, seq, at (timestamptz), host, version. Rows: none.
insert into process_life (journal_key, start_seq, started_at, alive_at, host, version)
values (%(journal)s, %(seq)s, %(at)s, %(at)s, %(host)s, %(version)s)
on conflict do nothing
