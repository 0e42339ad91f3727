-- Why: a later version may understand what was kept here (`tracker --reingest`). It has to know which
--      trade it would have been: `occurrence`, as trades have one, so that the trade gets the identity
--      that it would have had at once. And it has to know what was not covered because of it:
--      `epoch`, the connection, and `doubt`, the token. What was taken in is marked, never deleted.
--      Rows from before this file: the occurrence and the epoch follow from the order in the
--      journal; which token was in doubt is not known, so it is any.
-- Indexes: of what is not taken in, in order; of the doubts of an epoch and token.
-- Locks: ACCESS EXCLUSIVE on rejected_messages, which is written anew. Takes: 10 s a million rows.
alter table rejected_messages
  add column message_key bigint generated always as identity primary key,
  add column epoch bigint,             -- of its connection; NULL: it came from none
  add column occurrence integer not null default 1 check (occurrence > 0),
  add column doubt text,               -- token of the trade that it may be, * for any; NULL: no trade
  add column taken_in_at timestamptz;  -- when its trades were stored; NULL: not understood yet

with told as (    -- an epoch is the sequence of the record that opened it
  select journal_key, connection, epoch as seq, null::integer as index, epoch, null::bigint as message_key,
         null::bytea as digest
  from epochs where connection is not null
  union all
  select journal_key, connection, seq, index, null, message_key, sha256(payload)
  from rejected_messages where seq is not null
), heard as (
  select message_key, journal_key, connection, digest, seq, index,
         max(epoch) over (partition by journal_key, connection order by seq, epoch nulls last) as epoch
  from told
), numbered as (
  select message_key, epoch,
         row_number() over (partition by journal_key, connection, epoch, digest order by seq, index) as occurrence
  from heard where message_key is not null
)
update rejected_messages m set epoch = n.epoch, occurrence = n.occurrence, doubt = '*'
from numbered n where n.message_key = m.message_key;

alter table rejected_messages alter column occurrence drop default;
create index rejected_messages_kept on rejected_messages (message_key) where taken_in_at is null;
create index rejected_messages_doubts on rejected_messages (journal_key, epoch, doubt, seq) where doubt is not null;
