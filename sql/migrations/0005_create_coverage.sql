-- Why: coverage, not gaps, is recorded. "No trades" and "not listened" are different answers, and a crash must make a
--      gap without anyone's help. Beside it stands what was not used: connection events and rejected messages, which tell an
--      operator why, and may put time in doubt. How the tables of coverage work together stands at their beginning.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.

-- When tokens were wanted, and when listening to them was proven. Facts come from the journal, each with its seq:
--   wanted           when a token was to be listened to.
--   epochs           the runs of connections that are not settled yet.
--   listening        the tokens on them: what may still change.
--   listening_now    the same, with the end of each as it is known at this moment; a view.
--   coverage_ranges  what is final, joined: one row for each uninterrupted range of a token in a journal.
--   coverage         the answer for readers, in schema public: the union of the last two over all journals.
-- Every row remembers by which seq it began and ended, and where two facts would end the same thing the lower
-- seq wins. So facts may be replayed, and may arrive out of order: the result is that of the journal's order. A row whose
-- beginning and end have the same seq holds no time: it is an end that arrived before its beginning, or has none.
-- The end of a row is a pair, its seq and its time, both NULL while it goes on.
-- A start of the process ends every epoch of its journal with a lower number that did not end itself: at its proven_until, as
-- `process_down` (lost). What has ended below the watermark changes no more and is settled: moved into coverage_ranges in
-- bounded steps, and deleted here; but not what a rejected message may still change (held).
-- No foreign keys to assets: they would cost a look-up a row, and the writer numbers a token before anything names it.

-- When a token was to be listened to. Rows of a token may overlap: they are united.
create table tracker.wanted (
  journal_key  integer not null references tracker.journals,
  asset_key    integer not null,
  wanted_seq   bigint not null,
  unwanted_seq bigint,              -- NULL, with until_at: still wanted
  from_at      timestamptz not null,    -- our clock; for a market that was found late the time since when it could be traded
  until_at     timestamptz,         -- our clock; from_at at least
  primary key (asset_key, journal_key, wanted_seq)
);
-- For what a journal still wants, when its tracker starts again.
create index wanted_open on tracker.wanted (journal_key, asset_key) where until_at is null;

-- One row for each run of a connection, from its handshake to its end, until it is settled.
create table tracker.epochs (
  journal_key  integer not null references tracker.journals,
  epoch        bigint not null,     -- the seq of the record that opened it
  connection   text,                -- its name, such as a-0003; NULL, as opened_at: only other facts of it have arrived
  leg          integer,             -- which copy of the subscription it belongs to: 0 is feed A, 1 feed B
  opened_at    timestamptz,         -- our clock
  proven_until timestamptz,         -- the exchange's clock: all that it sent until then was received. It only grows, but where
                                    -- a record before it turns out to be lost
  closed_at    timestamptz,         -- our clock; of a lost epoch its proven_until, which may be NULL
  closed_seq   bigint,              -- NULL: it is open
  lost         boolean not null default false,    -- it did not end itself: a start of the process, or a part of the journal that
                                    -- cannot be read, ended it. A proof that arrives later still counts if its seq is lower
  reason       text,                -- why it ended; like listening.cause the cause of the gap that it leaves
  late_at      timestamptz,         -- the database's clock: when the last proof was stored that was more than ten minutes old
  held         boolean not null default false,    -- a rejected message that is not taken in keeps it from being settled
  proofs       jsonb,               -- while records before some of its proofs were missing: these, time by seq, and the best of all
                                    -- others by 0. NULL: none was missing when the last was stored
  primary key (journal_key, epoch)
);
-- For the epochs that a start has left open, those that can be settled, and those that are held.
create index epochs_open on tracker.epochs (journal_key, epoch) where closed_seq is null;
create index epochs_ended on tracker.epochs (journal_key, closed_seq) where closed_seq is not null and not held;
create index epochs_held on tracker.epochs (journal_key, epoch) where held;

-- A token on an epoch, from its first `book`. While until_at is NULL it reaches to the proven_until of the epoch.
create table tracker.listening (
  journal_key   integer not null references tracker.journals,
  asset_key     integer not null,
  epoch         bigint not null,    -- 0: of no connection; such a row holds no time and marks when a market that was found late
                                    -- (`not_discovered`) could first be traded
  confirmed_seq bigint not null,    -- the fact that its first `book` had come
  released_seq  bigint,             -- the fact that it ended; NULL, with until_at and cause: it ends with its epoch
  from_at       timestamptz not null,    -- the later of our clock and the exchange's, when the `book` was received
  until_at      timestamptz,        -- the exchange's clock; from_at at least
  cause         text,               -- the cause of the gap that it leaves, if nobody else listened
  known_at      timestamptz,        -- the database's clock: when the messages were taken in that had put this in doubt; NULL: none
  primary key (journal_key, epoch, asset_key, confirmed_seq)
);
-- For what can be settled of epochs that go on; and for questions about a token.
create index listening_released on tracker.listening (journal_key, released_seq) where released_seq is not null;
create index listening_by_token on tracker.listening (asset_key);

-- Listening with its end as far as that is known: its release, or the end of its epoch when that has the lower seq; of
-- what goes on, the last proof. It was known from from_at on, or, if a proof of its epoch that is later than that was stored late,
-- or it was in doubt until a message was taken in, from then on. For coverage, coverage_gaps() and settling.
create view tracker.listening_now as
select l.journal_key, l.asset_key, l.epoch, l.confirmed_seq, l.from_at,
       case when ends.with_epoch then e.closed_seq else l.released_seq end as released_seq,
       greatest(l.from_at, case when ends.with_epoch or l.until_at is null then e.proven_until else l.until_at end)
         as until_at,
       case when ends.with_epoch then e.reason else l.cause end as cause,
       e.closed_seq is null and l.until_at is null as is_open,
       greatest(l.from_at, l.known_at, e.late_at) as known_at
from tracker.listening l
left join tracker.epochs e using (journal_key, epoch)
cross join lateral (    -- not for a row that holds no time
  select coalesce(e.closed_seq <= coalesce(l.released_seq, e.closed_seq) and l.confirmed_seq is distinct from l.released_seq,
                  false) as with_epoch) ends;

-- What is settled: time without interruption in which a journal listened to a token, whatever the number of its connections and
-- epochs. Ranges of one token and journal never overlap nor touch. An empty one (until_at = from_at) proves nothing and is kept
-- for its cause: why listening ended at a moment before which nothing was proven. A range that grows is written in place, so
-- its pages keep some room (fillfactor).
create table tracker.coverage_ranges (
  journal_key   integer not null references tracker.journals,
  asset_key     integer not null,
  from_at       timestamptz not null,
  until_at      timestamptz not null check (until_at >= from_at),
  known_at      timestamptz not null,    -- from_at; or, if proofs of it were stored when they were more than ten minutes old,
                                         -- or a part was in doubt until a message was taken in, when that was last (the
                                         -- database's clock)
  epoch         bigint not null,    -- these four are those of the listening that ended last in it
  confirmed_seq bigint not null,
  released_seq  bigint not null,
  cause         text not null,
  primary key (asset_key, journal_key, from_at)
) with (fillfactor = 85);

-- what was not used: connection events and rejected messages ------------

-- The key holds every column, so that a commit that is repeated is kept once.
create table public.connection_events (
  at          timestamptz not null,
  connection  text not null,
  event       text not null,
  reason      text not null,
  journal_key integer not null references tracker.journals,
  primary key (at, journal_key, connection, event, reason)
);

create table public.rejected_messages (
  received_at timestamptz not null,
  connection  text not null,
  reason      text not null,
  payload     bytea not null,
  journal_key integer not null references tracker.journals,
  seq         bigint,
  index       integer,
  message_key bigint generated always as identity primary key,
  epoch       bigint,
  occurrence  integer not null check (occurrence > 0),
  doubt       text,
  taken_in_at timestamptz,
  uncovered   tstzrange,
  unique (journal_key, seq, index)    -- what a repeated commit or a replay brings is kept once
);
-- The same of a row that the database could not hold, which has no place in the journal.
create unique index rejected_messages_once
  on public.rejected_messages (journal_key, sha256(payload)) where seq is null;
-- For readers who ask about a time.
create index rejected_messages_received_at on public.rejected_messages using brin (received_at);
-- Samples of what cannot be a trade: they alone are deleted when they are old.
create index rejected_messages_samples on public.rejected_messages (message_key)
  where doubt is null and epoch is not null and seq is not null;
-- For `--reingest`, which reads in this order what is not taken in.
create index rejected_messages_kept on public.rejected_messages (message_key) where taken_in_at is null;
-- What keeps an epoch from being settled (held): records of the journal within its time that are not understood or not stored,
-- and messages of its connection that may be trades.
create index rejected_messages_records on public.rejected_messages (journal_key, seq)
  where connection = 'journal' and taken_in_at is null;
create index rejected_messages_doubts on public.rejected_messages (journal_key, epoch, doubt, seq)
  where doubt is not null;
-- Trades that the database could not hold: coverage leaves their time out, whoever listened then and whatever is settled; and
-- the tracker takes them in, in this order.
create index rejected_messages_uncovered on public.rejected_messages (doubt) where uncovered is not null;
create index rejected_messages_to_store on public.rejected_messages (message_key)
  where uncovered is not null and taken_in_at is null;

-- What may be a trade, what the database could not hold, and records that are not understood are kept for good: samples alone
-- are deleted when they are old. Who owns the table may delete what it wants.
create function tracker.keep_doubtful() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not pg_has_role((select relowner from pg_class where oid = tg_relid), 'usage') then
    raise exception '%: what may be a trade is kept, % is rejected', tg_table_name, tg_op using errcode = 'restrict_violation';
  end if;
  return old;
end
$$;
create trigger keep_doubtful before delete on public.rejected_messages
  for each row when (old.doubt is not null or old.epoch is null or old.seq is null) execute function tracker.keep_doubtful();

-- audits ----------------------------------------------------------------

-- One row for an hour of a market and a witness: a later audit replaces the row, but one that is unknown replaces only another
-- unknown. Numbers count tokens in transactions. The trades that a witness lists are compared and are stored nowhere.
create table public.audits (
  condition_id text not null,
  hour         timestamptz not null,
  witness      text not null check (witness in ('data', 'chain', 'rtds')),
  theirs       integer not null,
  ours         integer not null,
  missing      integer not null check (missing between 0 and theirs),
  outside_gaps integer not null check (outside_gaps between 0 and missing),
  unmatched    integer not null check (unmatched between 0 and ours),
  result       text not null check (result in ('complete', 'missing', 'unknown')),
  checked_at   timestamptz not null,    -- our clock
  evidence     jsonb not null,
  primary key (condition_id, hour, witness)
);
-- For what was found of late, and for what is old.
create index audits_checked_at on public.audits (checked_at);

-- market_coverage -------------------------------------------------------

-- Coverage by market and day, computed once a day is over, and again where something late changes it: see public.market_coverage.
--   computed_days         the days that are computed, or are being: one row for each day since the first tracker started.
--   market_days           what was computed, a row for each market and day on which one of its tokens was wanted.
--   changed_market_days   what is to be computed again; emptied as that is done.
-- A day is announced when all journals have passed it, and computed when whatever was under way then has ended: so a change is
-- either seen by the computation, or finds the row of the day here and leaves one of its own.
-- The markets of a day are found by the tokens that were wanted on it, some in each step (sql/queries/select_open_wishes.sql,
-- select_ended_wishes.sql): first the tokens that are still wanted, ordered by journal and token; then those that are wanted no
-- more, ordered by when that ended and by token. So three columns tell what is done, and the next step goes on behind it.
create table tracker.computed_days (
  day          date primary key,
  revision     smallint not null default 1,    -- only rows of market_days with this one count
  announced_at timestamptz not null default now(),
  computed_at  timestamptz,         -- NULL: it is not computed, or must be as a whole once more
  journal_key  integer not null default 0,    -- while until_at is NULL: up to here among the tokens that are still wanted, at
                                    -- those of this journal; 0: none is done yet
  until_at     timestamptz,         -- NULL: these are not all done. Else up to here among the others: at wishes (wanted.until_at)
                                    -- that ended then
  asset_key    integer not null default 0     -- in either case, the last token there that is done; 0: none there
);
create index computed_days_due on tracker.computed_days (day) where computed_at is null;
create table tracker.market_days (
  asset_key   integer not null,     -- of the tokens of the market the one with the lowest number
  day         date not null,
  wanted_ms   integer not null,     -- milliseconds of all its tokens together
  missed_ms   integer,              -- NULL: none; that saves a third of most rows
  longest_ms  integer,
  revision    smallint not null,
  is_complete boolean not null,
  causes      text[],
  primary key (asset_key, day)
);
-- For a time of all markets: rows lie by day, but for those that were computed again.
create index market_days_day on tracker.market_days using brin (day) with (pages_per_range = 16);
create table tracker.changed_market_days (
  asset_key integer not null,
  day       date not null
);
create index changed_market_days_by_market on tracker.changed_market_days (asset_key, day);
-- For the markets that were wanted on a day that is over, beside those that still are.
create index wanted_ended on tracker.wanted (until_at) where until_at is not null;

-- Marks the days of a token's market that are announced. It only adds rows, so nobody waits for anybody.
create function tracker.mark_market_days(token integer, from_at timestamptz, to_at timestamptz) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  first_day constant date := (from_at at time zone 'UTC')::date;
  last_day constant date := (to_at at time zone 'UTC')::date;
  market integer;
begin
  if not exists (select from tracker.computed_days d where d.day between first_day and last_day) then
    return;    -- also what is stored behind an outage: its days are not announced yet
  end if;
  select min(b.asset_key) into market    -- each a look into an index, whatever the planner believes
  from (select a.condition_id from public.assets a where a.asset_key = token offset 0) a
  cross join lateral (select b.asset_key from public.assets b where b.condition_id = a.condition_id offset 0) b;
  insert into tracker.changed_market_days (asset_key, day)
  select market, d.day from tracker.computed_days d where d.day between first_day and last_day and market is not null;
end
$$;

-- Marks all days of a market since one of its tokens was wanted first.
create function tracker.mark_market(condition text) returns void language sql set search_path = pg_catalog, pg_temp as $$
  select tracker.mark_market_days(min(w.asset_key), min(w.from_at), 'infinity')
  from (select t.asset_key from public.assets t where t.condition_id = condition offset 0) t
  cross join lateral (select w.asset_key, w.from_at from tracker.wanted w where w.asset_key = t.asset_key offset 0) w
$$;

-- Marks the days of a market since any time that was, or is now, the end of its trading: it is complete up to that, and the end
-- may become an earlier or a later one. `ended_at` is that of the row that changes.
create function tracker.mark_close(condition text, ended_at timestamptz) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  select tracker.mark_market_days(
           min(t.asset_key),
           least(ended_at,
                 (select m.closed_time from public.markets m where m.condition_id = condition),
                 (select r.resolved_at from public.resolutions r where r.condition_id = condition),
                 (select min(h.known_at) from public.market_history h
                  where h.condition_id = condition and h.changes -> 'closed' = 'true')),
           'infinity')
  from (select t.asset_key from public.assets t where t.condition_id = condition offset 0) t
$$;

-- Marks what a row changes of days that are over. Most triggers fire for rows alone that tell of a time five minutes ago
-- or more: a day is announced five minutes after its end at the earliest. So what is stored in time does not come here.
create function tracker.mark_late_change() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  is_taken_back boolean;
  known timestamptz;
begin
  case tg_table_name
  when 'wanted' then
    if tg_op = 'INSERT' then
      perform tracker.mark_market_days(new.asset_key, new.from_at, coalesce(new.until_at, 'infinity'));
    else
      perform tracker.mark_market_days(new.asset_key, least(old.until_at, new.until_at), 'infinity');
    end if;
  when 'listening' then
    if tg_op = 'INSERT' then
      perform tracker.mark_market_days(new.asset_key, new.from_at, coalesce(new.until_at, 'infinity'));
    else
      perform tracker.mark_market_days(new.asset_key, least(old.until_at, new.until_at), 'infinity');
    end if;
  when 'epochs' then    -- a proof of long ago, or one that is taken back since records before it are lost
    is_taken_back := old.proven_until is not null and coalesce(new.proven_until < old.proven_until, true);
    known := case when is_taken_back then new.proven_until else old.proven_until end;
    if exists (select from tracker.computed_days d
               where d.day >= (coalesce(known, old.opened_at, '-infinity') at time zone 'UTC')::date) then
      perform tracker.mark_market_days(l.asset_key, greatest(l.from_at, known), greatest(old.proven_until, new.proven_until))
      from tracker.listening l where l.journal_key = new.journal_key and l.epoch = new.epoch;
    end if;
  when 'rejected_messages' then
    perform tracker.mark_market_days(a.asset_key, lower(new.uncovered), upper(new.uncovered))
    from public.assets a where a.token_id = new.doubt;
  when 'assets' then    -- which market it belongs to
    perform tracker.mark_market(old.condition_id), tracker.mark_market(new.condition_id);
    insert into tracker.changed_market_days (asset_key, day)    -- by another number of it
    select m.asset_key, m.day
    from (select t.asset_key from public.assets t where t.condition_id = new.condition_id offset 0) a
    join tracker.market_days m on m.asset_key = a.asset_key;
  when 'markets' then
    perform tracker.mark_close(new.condition_id, least(old.closed_time, new.closed_time));
  when 'resolutions' then
    perform tracker.mark_close(new.condition_id, new.resolved_at);
  end case;
  return null;
end
$$;
-- Marks tokens to which a tracker listens again for the first time since it returned: it has wanted them all the time, and until
-- now counted what other trackers had decided meanwhile. Each is a look into an index or two, also where there is nothing to mark.
create function tracker.mark_heard_again() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  perform tracker.mark_market_days(n.asset_key, run.seen_at, 'infinity')
  from added n
  cross join lateral (    -- what it listened to last before, or wanted
    select coalesce(
             greatest((select max(l.epoch) from tracker.listening l    -- by the token: by the epoch it would meet all others
                       where l.asset_key = n.asset_key and l.journal_key + 0 = n.journal_key and l.epoch < n.epoch),
                      (select r.epoch from tracker.coverage_ranges r
                       where r.asset_key = n.asset_key and r.journal_key = n.journal_key order by r.from_at desc limit 1)),
             (select min(w.wanted_seq) from tracker.wanted w
              where w.asset_key = n.asset_key and w.journal_key = n.journal_key)) as seq offset 0) before
  cross join lateral (    -- the run of that
    select p.start_seq, coalesce(p.stopped_at, p.alive_at) as seen_at from tracker.process_life p
    where p.journal_key = n.journal_key and p.start_seq < before.seq order by p.start_seq desc limit 1) run
  where n.epoch > 0 and exists (select from tracker.process_life later
                                where later.journal_key = n.journal_key and later.start_seq > run.start_seq
                                  and later.start_seq < n.epoch);
  return null;
end
$$;
create trigger mark_heard_again after insert on tracker.listening referencing new table as added
  for each statement execute function tracker.mark_heard_again();
create trigger mark_late_wish after insert on tracker.wanted for each row
  when (new.from_at < now() - interval '5 minutes') execute function tracker.mark_late_change();
create trigger mark_late_end after update on tracker.wanted for each row
  when (least(old.until_at, new.until_at) < now() - interval '5 minutes') execute function tracker.mark_late_change();
create trigger mark_late_listening after insert on tracker.listening for each row
  when (new.from_at < now() - interval '5 minutes') execute function tracker.mark_late_change();
create trigger mark_late_end after update on tracker.listening for each row
  when (least(old.until_at, new.until_at) < now() - interval '5 minutes') execute function tracker.mark_late_change();
create trigger mark_late_proof after update on tracker.epochs for each row
  when (new.late_at is distinct from old.late_at or old.proven_until > coalesce(new.proven_until, '-infinity'))
  execute function tracker.mark_late_change();
create trigger mark_rejected after insert on public.rejected_messages for each row
  when (new.uncovered is not null) execute function tracker.mark_late_change();
create trigger mark_taken_in after update of taken_in_at on public.rejected_messages for each row
  when (new.uncovered is not null) execute function tracker.mark_late_change();
create trigger mark_named after update of condition_id on public.assets for each row
  when (new.condition_id is distinct from old.condition_id) execute function tracker.mark_late_change();
-- Whenever trading ended: what counted until now may be long ago. These two fire after keep_history, by their names.
create trigger mark_late_close after update of closed, closed_time on public.markets for each row
  when ((new.closed, new.closed_time) is distinct from (old.closed, old.closed_time))
  execute function tracker.mark_late_change();
create trigger mark_late_market after insert on public.markets for each row
  when (new.closed) execute function tracker.mark_late_change();
create trigger mark_late_resolution after insert on public.resolutions for each row execute function tracker.mark_late_change();

-- Marks markets that get another token, whose others were wanted before.
create function tracker.mark_new_tokens() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  perform tracker.mark_market(n.condition_id)
  from (select distinct added.condition_id from added where added.condition_id is not null) n;
  return null;
end
$$;
create trigger mark_new_tokens after insert on public.assets referencing new table as added
  for each statement execute function tracker.mark_new_tokens();

-- Announces days again as a whole. A tracker that returns wants again what it wanted when it left; one that is retired, or is
-- so no longer, wanted nothing since it was seen last, or did. That concerns all that it ever wanted; and when nobody ran before
-- it, it decides of all trackers that they are given up.
create function tracker.announce_days_again() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  since timestamptz;
begin
  if tg_table_name = 'journals' then
    since := least(old.retired_at, new.retired_at);
  else
    since := least(
      new.started_at,
      (select coalesce(p.stopped_at, p.alive_at) from tracker.process_life p
       where p.journal_key = new.journal_key and p.start_seq < new.start_seq
       order by p.start_seq desc limit 1),
      (select max(coalesce(p.stopped_at, p.alive_at)) from tracker.process_life p where p.journal_key <> new.journal_key));
  end if;
  update tracker.computed_days d
  set revision = d.revision + 1, announced_at = now(), computed_at = null, journal_key = 0, until_at = null, asset_key = 0
  where d.day >= (since at time zone 'UTC')::date;
  return null;
end
$$;
create trigger announce_days_again after update of retired_at on tracker.journals for each row
  when (new.retired_at is distinct from old.retired_at) execute function tracker.announce_days_again();
create trigger announce_days_again after insert on tracker.process_life for each row
  execute function tracker.announce_days_again();
