-- Why: what makes a replay harmless, and what is set aside. One journal belongs
--      to one tracker; its mark moves in the transaction that holds the rows.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
create table journals (
  journal_key integer generated always as identity primary key,
  journal_id  uuid not null unique,
  first_seen_at timestamptz not null default now()
);

create table journal_progress (
  journal_key integer primary key references journals,
  mark        bigint not null,      -- lowest journal sequence that is not yet committed
  moved_at    timestamptz not null default now()
);

create table connection_events (
  at          timestamptz not null,
  connection  text not null,
  event       text not null,
  reason      text not null,
  journal_key integer not null references journals,
  primary key (at, journal_key, connection, event, reason)   -- a commit told twice is kept once
);

create table rejected_messages (
  received_at timestamptz not null,
  connection  text not null,
  reason      text not null,
  payload     bytea not null,       -- verbatim; or, when the database refused a row, the row as JSON
  journal_key integer not null references journals,
  seq         bigint,               -- where in the journal; NULL when the database refused the row
  index       integer,
  unique (journal_key, seq, index)
);
create unique index rejected_messages_once
  on rejected_messages (journal_key, sha256(payload)) where seq is null;
create index rejected_messages_received_at on rejected_messages using brin (received_at);
