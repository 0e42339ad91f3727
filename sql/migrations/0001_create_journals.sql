-- Why: what is received is written to a journal first, by each tracker to its own. These tables say how far each one is
--      stored here, and when its process ran. Schema `public` is the contract with those who read the data; schema
--      `tracker` is our own and may change with any version.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.

-- A journal is the numbered records of one state directory, so of one tracker. Its numbers are its seqs: they begin
-- with 1 and only grow, also over restarts. An epoch has as its number the seq of the record that opened it. So in one
-- journal `epoch` and all columns `…_seq` are one number line, and "wanted_seq < epoch" means "was wanted before it opened".
create table tracker.journals (
  journal_key   integer generated always as identity primary key,   -- our number for it, another one in every database
  journal_id    uuid not null unique,                               -- its name in the state directory
  first_seen_at timestamptz not null default now(),
  retired_at    timestamptz    -- a person retired its tracker (`--retire`): since then, which is when it was seen last, it
                               -- wants nothing; NULL again when it comes back
);

create table tracker.journal_progress (
  journal_key integer primary key references tracker.journals,
  mark        bigint not null,     -- the watermark: every record with a lower seq is stored here
  moved_at    timestamptz not null default now(),    -- the database's clock
  session     uuid,                -- a random id of the connection to the database that stores this journal, another one for each.
                                   -- A new one takes the journal over; a commit with an older id is rejected then
  stored_on   date,                -- the latest day (UTC, the clock of the tracker's host) on which trades were stored …
  stored_rows bigint not null default 0    -- … and how many on that day: rows new to tracker.trades
);

-- One row for each start of the process. alive_at is moved on every 5 s and never back, so a crash leaves its end without
-- anyone's help. All times but proven_until are by the clock of the tracker's host.
create table tracker.process_life (
  journal_key  integer not null references tracker.journals,
  start_seq    bigint not null,     -- the seq of this start; epochs with a lower number ended with it at latest
  started_at   timestamptz not null,
  alive_at     timestamptz not null,    -- when it was last known to run
  stopped_at   timestamptz,         -- NULL: still running, or killed; alive_at tells which
  host         text not null,
  version      text not null,
  proven_until timestamptz,         -- by the exchange's clock: the latest proof of those of its epochs whose rows are gone,
                                    -- since all about them is final (see "coverage": settled)
  day          jsonb,               -- what it had measured of its day by alive_at (token-seconds wanted and not proven, seconds
                                    -- without any token); for the status of later processes alone: every gap is in
                                    -- coverage_gaps(). NULL: nothing yet
  primary key (journal_key, start_seq)
);
-- For coverage_gaps(): whether any other tracker was seen later than some time.
create index process_life_seen on tracker.process_life ((coalesce(stopped_at, alive_at)));
-- For the first day of market_coverage.
create index process_life_started on tracker.process_life (started_at);
