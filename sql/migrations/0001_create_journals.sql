-- Why: what is received is written to a journal first, by each tracker to its own. These tables say how far each one is
--      stored here, and what happened to its process and its connections. Schema `public` is the contract with those
--      who read the data; schema `tracker` is our own and may change with any version.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.
create table tracker.journals (
  journal_key   integer generated always as identity primary key,
  journal_id    uuid not null unique,
  first_seen_at timestamptz not null default now(),
  retired_at    timestamptz         -- when a person retired its tracker: since then it wants nothing
);

create table tracker.journal_progress (
  journal_key integer primary key references tracker.journals,
  mark        bigint not null,      -- lowest journal sequence that is not yet committed
  moved_at    timestamptz not null default now(),
  session     uuid                  -- the connection of a writer that stores this journal: no other one may commit
);

-- One row for each start of the process. alive_at only grows, so a crash leaves its end without anyone's help.
create table tracker.process_life (
  journal_key  integer not null references tracker.journals,
  start_seq    bigint not null,
  started_at   timestamptz not null,
  alive_at     timestamptz not null,
  stopped_at   timestamptz,         -- NULL: still running, or killed
  host         text not null,
  version      text not null,
  proven_until timestamptz,         -- the latest proof of its epochs that are settled
  primary key (journal_key, start_seq)
);
-- Whether any tracker was seen since some time.
create index process_life_seen on tracker.process_life ((coalesce(stopped_at, alive_at)));

create table public.connection_events (
  at          timestamptz not null,
  connection  text not null,
  event       text not null,
  reason      text not null,
  journal_key integer not null references tracker.journals,
  primary key (at, journal_key, connection, event, reason)   -- a commit that is repeated is kept once
);

create table public.rejected_messages (
  received_at timestamptz not null,
  connection  text not null,
  reason      text not null,
  payload     bytea not null,       -- verbatim; or, when the database refused a row, the row as JSON
  journal_key integer not null references tracker.journals,
  seq         bigint,               -- where in the journal; NULL when the database refused the row
  index       integer,
  message_key bigint generated always as identity primary key,
  epoch       bigint,               -- of its connection; NULL: it came from none
  occurrence  integer not null check (occurrence > 0),
  doubt       text,                 -- token of the trade that it may be, * for any; NULL: no trade
  taken_in_at timestamptz,          -- when its trades were stored; NULL: not understood yet
  unique (journal_key, seq, index)
);
create unique index rejected_messages_once
  on public.rejected_messages (journal_key, sha256(payload)) where seq is null;
create index rejected_messages_received_at on public.rejected_messages using brin (received_at);
-- Samples of what cannot be a trade: they alone are deleted when they are old.
create index rejected_messages_samples on public.rejected_messages (message_key)
  where doubt is null and epoch is not null and seq is not null;
create index rejected_messages_kept on public.rejected_messages (message_key) where taken_in_at is null;
create index rejected_messages_records on public.rejected_messages (journal_key, seq)
  where connection = 'journal' and taken_in_at is null;
create index rejected_messages_doubts on public.rejected_messages (journal_key, epoch, doubt, seq)
  where doubt is not null;
