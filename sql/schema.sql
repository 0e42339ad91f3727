-- The whole schema on plain PostgreSQL, for reading: what the migrations build; a test proves that both build the same database.
-- What TimescaleDB changes (tracker.trades is a hypertable with a columnstore) stands at the head of
-- sql/migrations/0003_create_trades.sql. sql/schema.sql is not used to make a database.
--
-- Schema `public` is for readers: assets, events, markets, market_history, trades, candles(), trades_of_transaction(), resolutions,
-- resolution_payouts, labels, labels_as_of(), resolution_observations, resolution_confirmations, resolution_conflicts,
-- unresolved_markets, coverage, coverage_gaps(), market_coverage (a view), market_coverage() (a function), connection_events,
-- rejected_messages, audits.
-- What each of them and of their columns means is told by its comment, at the end; a `--` beside it says why it is so.
-- Schema `tracker` is the tracker's own; there a `--` tells everything (columns as those of a public relation are told there).
--
-- Rights (sql/roles.sql, sql/queries/grant_rights.sql): readers may select from all of `public`, and from those tables of
-- `tracker` that coverage_gaps() reads with their rights. What has the rights of the owner: views; trades_of_transaction() and
-- tracker.add_trade_day(); and the trigger functions tracker.mark_late_change(), mark_heard_again(), mark_new_tokens() and
-- announce_days_again(). All other functions have the rights of their caller.
--
-- Words (more in docs/glossary.md):
--   tracker     one process that records; it has one journal, and several trackers may share a database
--   feed        Polymarket's stream of messages; feed A and feed B (`leg` 0 and 1) are two redundant copies of the whole
--               subscription, each on connections of its own
--   journal     the tracker's files on disk, which hold what was received until it is stored here; one entry is a record
--   seq         the number of a record in its journal (columns `seq` and `…_seq`). Not trades.sequence, the order of receipt within
--               an epoch; nor rejected_messages.index, the place among the rejected messages of one record; nor occurrence, the k
--               of the k-th of several that are alike
--   watermark   the seq below which a journal is stored here (journal_progress.mark). Marks of disputed trades are something else:
--               rows of connection_events
--   fact        a record that tells about coverage: wanted and unwanted, opened, confirmed, proven, released, closed, starts and stops
--   epoch       one run of a connection, from its handshake to its end; its number is the seq of the fact that opened it
--   confirmed   the first `book` (snapshot of its orders) of a token came on an epoch: listening to it begins; released: it ends
--               while the epoch goes on
--   proven      the exchange's time until when an epoch received everything (proven_until)
--   settled     final, so moved from tracker.epochs and tracker.listening into tracker.coverage_ranges
--   in doubt    a message that may be a trade could not be read: time that it puts in doubt is not covered, and its epoch is held,
--               not settled, until the message is taken in: stored by a later version that understands it
--   cause       why listening ended, as coverage_gaps() tells it (epochs.reason and listening.cause); reason is any other text
--   Gamma       the service of Polymarket that lists markets; a listing is its answer. CLOB, Data API, chain: the other sources
-- Times are by one of four clocks: the exchange's (traded_at, proofs and ends of coverage); ours, which is that of the tracker's
-- host (received_at, observed_at); the database's (now(), the start of the transaction that wrote it: recorded_at, moved_at,
-- late_at; but market_history.known_at is clock_timestamp(), the moment of writing); or a source's own (dates of markets and events,
-- closed_time, resolved_at, generated_at). Ours and the database's are compared with each other, so both hosts need NTP.
--
-- Nothing is deleted but
--   what is old: connection_events after 90 days (marks of disputed trades stay), samples in rejected_messages after 30, audits
--   after 400;
--   what has moved on: tracker.unresolved with the resolution, tracker.epochs and tracker.listening when they are settled, ranges of
--   tracker.coverage_ranges that are joined, tracker.changed_market_days when they are computed, and a row of tracker.market_days
--   when the market was not wanted on that day after all, or is kept by the number of another of its tokens.
-- The tracker alone writes; what a person does is told where it is.

set search_path = pg_catalog, pg_temp;    -- whatever somebody has planted elsewhere

create schema if not exists tracker;
create table if not exists tracker.schema_migrations (
  name       text primary key,
  checksum   text not null,              -- sha256 of the file, hexadecimal
  applied_at timestamptz not null default now(),
  previous_may_write boolean not null default false  -- a tracker of a version that has no such file may go on writing here
);

-- journals --------------------------------------------------------------

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

-- catalog ---------------------------------------------------------------

-- Tokens. asset_key is what every other large table has in place of the token id, and none has a foreign key to it: that would
-- cost a look-up a row, and the writer numbers a token in the same transaction, before anything names it. Nor is there one
-- between markets, events and tokens: a trade may name a market before any listing does, and a market an event.
create table public.assets (
  asset_key     integer generated always as identity primary key,
  token_id      text not null unique,
  condition_id  text,
  outcome       text,
  outcome_index integer
);
-- For the tokens of a market; and for those that a trade named and no listing yet, a handful.
create index assets_condition on public.assets (condition_id);
create index assets_unnamed on public.assets (condition_id) where outcome_index is null;

create table public.events (
  event_id            text primary key,
  slug                text,
  title               text,
  series_slug         text,
  neg_risk            boolean,
  neg_risk_augmented  boolean,
  neg_risk_market_id  text,
  starts_at           timestamptz,
  end_date            timestamptz,
  first_seen_at       timestamptz not null default now(),
  updated_at          timestamptz not null default now()
);
-- For readers who know an event by its address.
create index events_slug on public.events (slug text_pattern_ops) where slug is not null;

create table public.markets (
  condition_id       text primary key,
  question           text not null,
  slug               text not null,
  gamma_id           text,
  end_date           timestamptz,
  started_at         timestamptz,
  closed             boolean not null,
  active             boolean not null,
  neg_risk           boolean not null,
  version            text not null,
  volume             numeric(38, 18),
  tags               text[] not null,
  event_id           text,
  neg_risk_market_id text,
  group_title        text,
  game_start         timestamptz,
  closed_time        timestamptz,
  tick_size          numeric(19, 18),
  fee_schedule       jsonb,
  description        text,
  first_seen_at      timestamptz not null default now(),
  updated_at         timestamptz not null default now()
);
-- For readers who know a market by its address, or a series by how its slugs begin. New slugs of a series lie side by side, so
-- adding one touches a page that is in memory, which a hash of them does not.
create index markets_slug on public.markets (slug text_pattern_ops);
-- For readers who look for the siblings of a market (docs/how-to/query.md).
create index markets_event on public.markets (event_id) where event_id is not null;
create index markets_neg_risk on public.markets (neg_risk_market_id) where neg_risk_market_id is not null;

create table public.market_history (
  condition_id text not null,
  known_at     timestamptz not null,
  changes      jsonb not null,
  primary key (condition_id, known_at)
);

-- Writes market_history: the columns of a market that are new or have another value now. With the rights of who changes the
-- market. Functions name their schemas: whatever the session of the caller searches, pg_temp is its own and comes last.
create function tracker.keep_market_history() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  -- They say when and how much, and not what the market is.
  unkept constant text[] := array['condition_id', 'volume', 'first_seen_at', 'updated_at'];
  changed jsonb;
begin
  select jsonb_object_agg(n.key, n.value) into changed
  from jsonb_each(to_jsonb(new) - unkept) n
  left join jsonb_each(to_jsonb(old) - unkept) o using (key)    -- there is no old row when it is stored first
  where n.value <> coalesce(o.value, 'null');
  if changed is not null then
    insert into public.market_history
    select new.condition_id,
           greatest(clock_timestamp(), max(h.known_at) + interval '1 microsecond'),    -- a clock may be set back
           changed
    from public.market_history h where h.condition_id = new.condition_id;
  end if;
  return null;
end
$$;
create trigger keep_history after insert or update on public.markets
  for each row execute function tracker.keep_market_history();

-- Rejects what would change recorded rows. Its argument says what holds for the table.
create function tracker.reject_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% %: % is rejected', tg_table_name, tg_argv[0], tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on public.market_history
  for each statement execute function tracker.reject_change('is append-only');

-- trades ----------------------------------------------------------------

-- Trades as they are stored; readers have the view public.trades. The identity of a trade is its unique key: exchange time and
-- token as columns, the rest as a 64-bit digest. No foreign key to assets: it would cost one look-up a row, and the writer
-- numbers the token first, in the same transaction. Columns stand by alignment, the widest first, and the side is a boolean:
-- 8 bytes a row less.
-- On plain PostgreSQL the table has a partition for each day (UTC), made before its first row by tracker.add_trade_day. A
-- day's indexes stay small while it is written, and a time span reads its days alone.
-- The unique key begins with the time: it grows at its end alone, so its pages are full (40 bytes a trade; 60 when it began
-- with the token), and it is the index by time as well. trades_asset keeps a list of rows for each token (11 bytes a trade).
-- trades_received_at keeps the smallest and largest time of each 128 pages, for readers who ask what was known when.
-- trades_transaction is for trades_of_transaction(): a Bloom filter for each 64 pages, 1 byte a trade where an index would take
-- 50. -0.17 is a share of the 291 rows that PostgreSQL takes for the most on a page, so a filter is made for 3,166
-- transactions; 64 pages hold some 3,700 trades, several of one transaction among them. So large, two filters fit on a page.
create table tracker.trades (
  traded_at        timestamptz not null,    -- the exchange's clock
  received_at      timestamptz not null,    -- ours
  trade_hash       bigint not null,    -- 64 bits of BLAKE2b over price|size|side|transaction|occurrence: they only tell
                                       -- apart trades of one token in one millisecond
  epoch            bigint,    -- journal_key * 2^44 + the number of the epoch in its journal (tracker.epochs): so it is
                              -- unique in the database; NULL, with sequence: the order of receipt is not known
  sequence         bigint,    -- order of receipt in that epoch: 2^20 * (the record's journal sequence - the epoch's
                              -- number) + the place in that record; it orders nothing across epochs
  asset_key        integer not null,
  fee_rate_bps     smallint,
  occurrence       smallint not null check (occurrence > 0),
  is_buy           boolean not null,    -- the taker's side
  -- No more digits than the types of public.trades have, so that no cast there rounds; nor NaN, which is larger than all.
  -- These types here would round what is stored, and say nothing.
  price            numeric not null check (price > 0 and price <= 1 and min_scale(price) <= 18),
  size             numeric not null check (size > 0 and size < 100000000000000000000 and min_scale(size) <= 18),
  transaction_hash bytea,
  trade_id         text,
  extra            jsonb
) partition by range (traded_at);
alter table tracker.trades add unique (traded_at, asset_key, trade_hash);
create index trades_asset on tracker.trades (asset_key);
create index trades_received_at on tracker.trades using brin (received_at) with (autosummarize = on);
create index trades_transaction on tracker.trades
  using brin (transaction_hash bytea_bloom_ops (n_distinct_per_range = -0.17))
  with (pages_per_range = 64, autosummarize = on);

-- Rows of trades are added, and never changed or removed by a statement. Each day has the trigger as well (add_trade_day):
-- a statement may name a day alone. Whoever owns a day may drop it as a whole.
create trigger append_only before update or delete or truncate on tracker.trades
  for each statement execute function tracker.reject_change('is append-only');

-- Makes the partition of a day, if it is not there. Attached and not created as a partition: that would wait for every
-- reader. With the rights of its owner, since a tracker that only writes may create no table. Two trackers do not make the
-- same day at once: the lock is one that attaching takes anyway, that storing and reading do not wait for, and that nobody
-- may take who may only read or store.
-- Only days of which trades are taken, from 2020-01-01 to 2099-12-31. Nothing depends on the caller's session: in another time
-- zone or style of dates the bounds would be written in a way that is read as other bounds, and a day that has a partition
-- with other bounds could never be made. What only has the name of a day is not taken for it.
create function tracker.add_trade_day(day date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
declare
  first constant date := '2020-01-01';
  last constant date := '2099-12-31';
  name constant text := 'trades_' || to_char(day, 'YYYY_MM_DD');
  named regclass;
  bounds text;
begin
  if (select relkind from pg_class where oid = 'tracker.trades'::regclass) <> 'p' then
    return;
  end if;
  if day is null or day not between first and last then
    raise exception 'add_trade_day: the day must be from % to %, not %', first, last, day
      using errcode = 'invalid_parameter_value';
  end if;
  named := to_regclass('tracker.' || name);
  if named is null then
    lock table tracker.trades in share update exclusive mode;
    named := to_regclass('tracker.' || name);    -- another one may have made it meanwhile
  end if;
  bounds := format('for values from (%L) to (%L)',
                   day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
  if named is not null then
    if not exists (select from pg_inherits h join pg_class c on c.oid = h.inhrelid
                   where h.inhrelid = named and h.inhparent = 'tracker.trades'::regclass and not h.inhdetachpending
                     and lower(pg_get_expr(c.relpartbound, c.oid)) = bounds) then
      raise exception 'tracker.% is not the partition of tracker.trades for that day (%)', name, bounds
        using errcode = 'object_not_in_prerequisite_state',
              hint = 'Look what it is and rename it, then the day is made.';
    end if;
    return;
  end if;
  execute format('create table tracker.%I (like tracker.trades including defaults including constraints)', name);
  execute format('create trigger append_only before update or delete or truncate on tracker.%I'
                 ' for each statement execute function tracker.reject_change(''is append-only'')', name);
  execute format('alter table tracker.trades attach partition tracker.%I %s', name, bounds);
end
$$;
revoke all on function tracker.add_trade_day from public;

-- resolutions -----------------------------------------------------------

-- What a market pays stands in three places, which mean three things. resolution_observations.payouts: what one source said,
-- right or wrong. resolution_payouts: what was decided for each token; this is the label. resolutions.payouts: the same numbers
-- in the order of outcome_index, as they stood when the resolution was recorded. None has a foreign key to markets or assets:
-- a resolution is right whether or not a listing of its market is stored.
create table public.resolutions (
  condition_id     text primary key,
  kind             text not null check (kind in ('winner', 'split')),
  winning_token_id text check ((winning_token_id is not null) = (kind = 'winner')),
  winning_outcome  text check (winning_outcome is null or kind = 'winner'),
  payouts          numeric(19, 18)[] not null,
  resolved_at      timestamptz not null,
  recorded_at      timestamptz not null default now(),
  sources          text[] not null
);

create table public.resolution_payouts (
  condition_id text not null,
  token_id     text not null,
  outcome      text,
  payout       numeric(19, 18) not null check (payout >= 0 and payout <= 1),
  primary key (condition_id, token_id)
);
-- For the label of a token. By its hash: 36 bytes a token, where a B-tree takes 138, and nobody asks for an order of tokens.
create index resolution_payouts_token on public.resolution_payouts using hash (token_id);

create table public.resolution_confirmations (
  condition_id text not null,
  source       text not null,
  confirmed_at timestamptz not null,
  recorded_at  timestamptz not null default now(),
  primary key (condition_id, source)
);

create table public.resolution_observations (
  condition_id text not null,
  source       text not null,
  observed_at  timestamptz not null,
  verdict      text not null,
  reason       text not null,
  payouts      jsonb,
  payload      jsonb not null,
  recorded_at  timestamptz not null default now(),
  mapped_by    text[] not null default '{}',
  generated_at timestamptz,
  naming       text not null default 'token id',
  names        jsonb,
  unique (condition_id, source, observed_at)
);

create table public.resolution_conflicts (
  condition_id text not null,
  detected_at  timestamptz not null,
  recorded     text not null,
  observed     text not null,
  source       text not null,
  kind         text not null default 'outcome' check (kind in ('outcome', 'mapping')),
  cleared_at   timestamptz,
  cleared_by   text,
  recorded_at  timestamptz not null default now(),
  clearance_recorded_at timestamptz,
  check ((cleared_by is null) = (cleared_at is null)),
  -- A source may contradict again later, so the time is in the key; what opens several at once dates them apart by 1 µs.
  primary key (condition_id, kind, source, detected_at)
);
-- An open contradiction is one row, told from either side and by any source.
create unique index resolution_conflicts_open
  on public.resolution_conflicts (condition_id, kind, least(md5(recorded), md5(observed)), greatest(md5(recorded), md5(observed)))
  where cleared_at is null;

-- Our own memory of every condition that is known, from a listing or a trade, and has no resolution, so that a step through
-- those reads no other market. (Which of them should have one by now is the view public.unresolved_markets.) The commit of the
-- resolution deletes the row. It may be left behind when one tracker stores the market while another one records its
-- resolution, in the same moment; so whoever reads this table looks into resolutions, too.
create table tracker.unresolved (
  condition_id text primary key
);

-- reject_change() stands in the catalog, where it is used first.
create trigger append_only before update or delete or truncate on public.resolutions
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before update or delete or truncate on public.resolution_observations
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before update or delete or truncate on public.resolution_payouts
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before update or delete or truncate on public.resolution_confirmations
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before delete or truncate on public.resolution_conflicts
  for each statement execute function tracker.reject_change('keeps its rows, which may only be cleared');

-- For the rechecks of a resolution, which fall due so long after it was recorded.
create index resolutions_recorded_at on public.resolutions (recorded_at);
-- For when evidence was written last: after an absence, what fell due since then is made up for.
create index resolution_observations_recorded_at on public.resolution_observations (recorded_at);

-- coverage --------------------------------------------------------------

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

-- what readers ask ------------------------------------------------------

-- Numbers have a scale: readers that find none in the type take that of the first value for all, and round the others. No
-- cast rounds, since tracker.trades holds no more digits.
-- Each trade has its token there, stored with it or before. Yet the join is a left one: who counts trades, or asks for no
-- names, then reads trades alone (20,000 of ten minutes: 5 ms instead of 90).
create view public.trades as
select t.traded_at, t.received_at, a.condition_id, a.token_id, a.outcome,
       t.price::numeric(19, 18) as price, t.size::numeric(38, 18) as size,
       case when t.is_buy then 'BUY' else 'SELL' end as side, t.fee_rate_bps::integer as fee_rate_bps,
       '0x' || encode(t.transaction_hash, 'hex') as transaction_hash, t.occurrence::integer as occurrence,
       t.epoch, t.sequence, t.trade_id, t.extra
from tracker.trades t left join public.assets a using (asset_key);

-- A row for each token of a resolved market. Contested is what labels_as_of(now()) would say.
create view public.labels as
select p.token_id, p.condition_id, p.outcome, p.payout, r.resolved_at, r.recorded_at as known_at,
       exists (select from public.resolution_conflicts c
               where c.condition_id = p.condition_id and c.kind = 'outcome' and c.cleared_at is null) as contested,
       r.sources
from public.resolution_payouts p join public.resolutions r using (condition_id);

-- The same as it was known at a time. The planner puts it into the question (it is one statement, with the rights of its
-- caller), so what is asked of one token reads that token.
create function public.labels_as_of(at timestamptz) returns setof public.labels
language sql stable parallel safe
begin atomic
  select p.token_id, p.condition_id, p.outcome, p.payout, r.resolved_at, r.recorded_at,
         exists (select from public.resolution_conflicts c
                 where c.condition_id = p.condition_id and c.kind = 'outcome' and c.recorded_at <= labels_as_of.at
                   and (c.cleared_at is null or coalesce(c.clearance_recorded_at, c.cleared_at) > labels_as_of.at)),
         r.sources
  from public.resolution_payouts p join public.resolutions r using (condition_id)
  where r.recorded_at <= labels_as_of.at;
end;

-- Of `tracker.unresolved` those that should have an outcome. Resolutions are looked at again: see there.
create view public.unresolved_markets as
select m.condition_id,
       case when m.end_date <= now() then m.end_date else stands.observed_at end as ended_at,
       coalesce(stands.verdict, 'ended') as state,
       coalesce(said.words, 'not asked yet') as reason,
       said.observed_at as last_observed_at
from tracker.unresolved u
join public.markets m using (condition_id)
left join lateral (
  select o.verdict, o.observed_at from public.resolution_observations o
  where o.condition_id = m.condition_id and o.source = 'tracker'
  order by o.observed_at desc limit 1) stands on true
left join lateral (
  select string_agg(last.source || ': ' || coalesce(nullif(last.reason, ''), last.verdict), '; ' order by last.source)
           as words,
         max(last.observed_at) as observed_at
  from (select distinct on (o.source) o.source, o.verdict, o.reason, o.observed_at
        from public.resolution_observations o
        where o.condition_id = m.condition_id and o.source <> 'tracker'
        order by o.source, o.observed_at desc) last) said on true
where (m.closed or m.end_date <= now() or stands.verdict <> 'open')
  and not exists (select from public.resolutions r where r.condition_id = m.condition_id);

-- Listening that is settled, and listening that is not, of all journals. When it was known is told for a range as a whole: one
-- part that was stored late makes all of it late, so that nobody who asks what was known then is told too much. Late is a proof
-- that was stored more than ten minutes after the time that it proves: longer than a tracker takes with its database at hand;
-- and late is what was in doubt or missing until a rejected message was taken in.
create view public.coverage as
select g.token_id, during,
       greatest(lower(during),
                (select max(part.known_at) from unnest(g.begins, g.knowns) as part (from_at, known_at)
                 where part.from_at <@ span and part.known_at > part.from_at),
                (select max(taken.at) from unnest(missing.found, missing.found_at) as taken (span, at)
                 where taken.span && during)) as known_at
from (
  select a.token_id, range_agg(tstzrange(p.from_at, p.until_at)) as spans,
         array_agg(p.from_at) as begins, array_agg(p.known_at) as knowns
  from public.assets a
  cross join lateral (    -- by token in either table, so that a question about one reads no other
    select r.from_at, r.until_at, r.known_at from tracker.coverage_ranges r where r.asset_key = a.asset_key
    union all
    select n.from_at, n.until_at, n.known_at from tracker.listening_now n where n.asset_key = a.asset_key) p
  group by a.token_id) g
left join (    -- the times of trades that were received and are missing; and of those that are not any more
  select m.doubt, range_agg(m.uncovered) filter (where m.taken_in_at is null) as spans,
         array_agg(m.uncovered) filter (where m.taken_in_at is not null) as found,
         array_agg(m.taken_in_at) filter (where m.taken_in_at is not null) as found_at
  from public.rejected_messages m
  where m.uncovered is not null
  group by m.doubt) missing on missing.doubt = g.token_id
cross join lateral unnest(g.spans) as span
cross join lateral unnest(tstzmultirange(span) - coalesce(missing.spans, '{}')) as during;

-- (Wanted within [from_time, to_time)) minus coverage, before the horizon. It runs with the rights of its caller.
--   cause    why the listening that ended last before the gap did end; any reason that is no cause counts as `disconnected`;
--            `rejected` also where a trade that the database could not hold was traded at its beginning;
--            `never_confirmed` when there was none since the token is wanted.
--   horizon  what is later is not known yet, so it is no gap. Of the trackers that want the token and are alive (seen less than
--            60 s ago, and not stopped): the best proven_until of an open listening of it; if there is none, the latest
--            alive_at. When no such tracker is alive: now. The exchange's last known time counts when it is later, for a clock
--            of ours that is behind.
create function public.coverage_gaps(token_id text, from_time timestamptz, to_time timestamptz)
returns table (gap tstzrange, cause text)
language sql stable parallel safe
begin atomic
  with asked as (    -- one row: the time that is asked about
    select coalesce(coverage_gaps.from_time, '-infinity') as from_at, coalesce(coverage_gaps.to_time, 'infinity') as to_at
  ), token as (    -- one row, or none when it is not known: the token, and when its resolution was recorded
    select a.asset_key, greatest(r.recorded_at, r.resolved_at) as resolved_at
    from public.assets a left join public.resolutions r using (condition_id)
    where a.token_id = coverage_gaps.token_id
  ), trackers as (
    -- A row for each journal that ever wanted the token: the last run of its process, whether that is alive, and when it counts
    -- as given up. A run tells every 5 s that it is alive, so a minute without is twelve that are missing. One that was not seen
    -- for a day while another was seen later is not expected back; alone it is, for then its absence is the gap.
    select last.journal_key, last.start_seq, last.alive_at, coalesce(last.stopped_at, last.alive_at) as seen_at,
           last.stopped_at is null and last.alive_at > now() - interval '60 seconds' as is_alive,
           least(j.retired_at, case when exists (
             select from tracker.process_life p where p.journal_key <> j.journal_key and coalesce(p.stopped_at, p.alive_at)
               > coalesce(last.stopped_at, last.alive_at) + interval '24 hours')
             then coalesce(last.stopped_at, last.alive_at) + interval '24 hours' end) as retired_at
    from (select distinct w.journal_key from token join tracker.wanted w using (asset_key)) wanting
    cross join lateral (select k.journal_key, k.retired_at from tracker.journals k
                        where k.journal_key = wanting.journal_key offset 0) j
    cross join lateral (select p.* from tracker.process_life p where p.journal_key = wanting.journal_key
                        order by p.start_seq desc limit 1) last
  ), unsettled as (    -- a row for each listening to it that is not settled
    select l.* from token join tracker.listening_now l using (asset_key)
  ), wish as (
    -- A row for each uninterrupted time in which the token was wanted, by any tracker. Of one row of `wanted` that is: until it
    -- ends or its tracker is given up, and as long as it was still listened to after that; without the time in which other
    -- trackers took it over, and before the resolution alone, whatever was wanted or listened to after it: a process that
    -- starts again takes a market from a listing that lags behind.
    select unnest(range_agg(
             tstzmultirange(
               tstzrange(w.from_at, greatest(
                 w.from_at, least(coalesce(w.until_at, 'infinity'), itself.retired_at), last_end.until_at))
               * tstzrange(null, token.resolved_at))
             - coalesce(taken_over.spans, '{}'))) as span
    from token join tracker.wanted w using (asset_key)
    left join trackers itself on itself.journal_key = w.journal_key
    left join lateral (    -- when the last listening ended that began while this was wanted
      select max(ends.until_at) as until_at
      from (select l.until_at from unsettled l
            where l.journal_key = w.journal_key and not l.is_open
              and l.confirmed_seq > w.wanted_seq and l.confirmed_seq < w.unwanted_seq
            union all
            (select r.until_at from tracker.coverage_ranges r
             where r.asset_key = w.asset_key and r.journal_key = w.journal_key
               and w.unwanted_seq is not null
               and r.confirmed_seq > w.wanted_seq and r.confirmed_seq < w.unwanted_seq
             order by r.from_at desc limit 1)) ends) last_end on true
    left join lateral (    -- the epoch of the listening of this journal that ended last, or goes on
      select last.epoch
      from (select l.epoch, case when l.is_open and l.epoch > itself.start_seq then 'infinity' else l.until_at end as until_at
            from unsettled l    -- what an earlier run has left open has ended, also before settling ends it
            where l.journal_key = w.journal_key
            union all
            (select r.epoch, r.until_at from tracker.coverage_ranges r
             where r.asset_key = w.asset_key and r.journal_key = w.journal_key
             order by r.from_at desc limit 1)) last
      order by last.until_at desc, last.epoch desc limit 1) last_listening on true
    left join lateral (    -- the run that wanted the token, or listened to it, last; no row while that is alive
      select p.start_seq, coalesce(p.stopped_at, p.alive_at) as seen_at from tracker.process_life p
      where p.journal_key = w.journal_key and p.start_seq < greatest(w.wanted_seq, last_listening.epoch)
        and (p.stopped_at is not null or p.alive_at <= now() - interval '60 seconds')
        and not exists (select from tracker.process_life later
                        where later.journal_key = w.journal_key and later.start_seq > p.start_seq
                          and later.start_seq < greatest(w.wanted_seq, last_listening.epoch))) last_run on true
    left join lateral (    -- the run that followed
      select p.started_at from tracker.process_life p
      where p.journal_key = w.journal_key and p.start_seq > last_run.start_seq
      order by p.start_seq limit 1) next_run on true
    -- The time between the two in which other trackers ran and wanted the token, or had let it go: what they decided counts
    -- instead. It stands for good where this one lets the token go within five minutes of its return: it came back to a market
    -- that had closed meanwhile.
    left join lateral (
      select range_agg(decision.during * tstzrange(last_run.seen_at, greatest(last_run.seen_at,
               case when w.until_at < next_run.started_at + interval '5 minutes' and lower(decision.during) < next_run.started_at
                    then 'infinity' else coalesce(next_run.started_at, 'infinity') end))) as spans
      from trackers
      cross join lateral (
        select unnest(range_agg(part.during)) as during
        -- A row of `part` is a time in which another tracker wanted it and ran, or did not want it any more.
        from (select tstzrange(ran.at, greatest(ran.at, least(other.until_at, case
                       when run.start_seq = trackers.start_seq and trackers.is_alive then 'infinity'
                       else coalesce(run.stopped_at, run.alive_at) end))) as during
              from tracker.wanted other
              join tracker.process_life run on run.journal_key = other.journal_key
              cross join lateral (select greatest(other.from_at, run.started_at) as at) ran
              where other.asset_key = w.asset_key and other.journal_key = trackers.journal_key
                and (other.until_at is null or other.until_at > other.from_at)
              union all
              select tstzrange(other.until_at, greatest(other.until_at, coalesce(
                       (select min(again.from_at) from tracker.wanted again
                        where again.asset_key = other.asset_key and again.journal_key = other.journal_key
                          and again.wanted_seq > other.wanted_seq
                          and (again.until_at is null or again.until_at > again.from_at)), 'infinity')))
              from tracker.wanted other
              where other.asset_key = w.asset_key and other.journal_key = trackers.journal_key
                and other.until_at > other.from_at and (next_run.started_at is null or other.until_at > last_run.seen_at)
             ) part) decision
      where last_run.start_seq is not null and trackers.journal_key <> w.journal_key
        and (trackers.is_alive or trackers.seen_at > last_run.seen_at)) taken_over on true
  ), alive as (    -- a row for each tracker that is alive now
    select trackers.journal_key, trackers.start_seq, trackers.alive_at from trackers where trackers.is_alive
  ), ending as (    -- as `unsettled`: its end as it is known now, and whether that may still move (pending)
    select l.from_at, l.until_at,
           case when l.is_open then case when alive.journal_key is null then 'process_down' end else l.cause end as cause,
           case when l.is_open then l.confirmed_seq else l.released_seq end as seq,
           l.is_open and alive.journal_key is not null as pending,
           l.is_open or l.confirmed_seq <> l.released_seq as is_an_end
    from unsettled l
    left join alive on alive.journal_key = l.journal_key and alive.start_seq < l.epoch
  ), exchange as (
    -- One row: the latest time of the exchange that is known of these trackers. Sixteen, because the very newest epochs or runs
    -- may have no proof yet, and the question must not grow with the tables.
    select greatest(
             (select max(until_at) from unsettled where not is_open),
             (select max(r.until_at) from trackers cross join lateral (
                select r.until_at from tracker.coverage_ranges r
                where r.asset_key = (select token.asset_key from token) and r.journal_key = trackers.journal_key
                order by r.from_at desc limit 1) r),
             (select max(newest.proven_until)
              from trackers cross join lateral (select e.proven_until from tracker.epochs e
                                                where e.journal_key = trackers.journal_key
                                                order by e.epoch desc limit 16) newest),
             (select max(newest.proven_until)
              from trackers cross join lateral (select p.proven_until from tracker.process_life p
                                                where p.journal_key = trackers.journal_key
                                                order by p.start_seq desc limit 16) newest)) as at
  ), horizon as (    -- one row: what is later is not known yet
    select coalesce((select max(until_at) from ending where pending),
                    greatest(coalesce((select max(alive_at) from alive), now()), (select at from exchange))) as at
  ), rejected as (    -- a row for each trade of it that the database could not hold
    select m.uncovered from public.rejected_messages m
    where m.doubt = coverage_gaps.token_id and m.uncovered is not null and m.taken_in_at is null
  ), covered as (    -- one row: all time that was listened to, on any connection of any tracker, and no trade of it is missing
    select coalesce(range_agg(tstzrange(h.from_at, h.until_at)), '{}'::tstzmultirange)
           - coalesce((select range_agg(rejected.uncovered) from rejected), '{}'::tstzmultirange) as spans
    from (select from_at, until_at from ending
          union all
          select r.from_at, r.until_at
          from asked
          cross join trackers
          cross join lateral (    -- from the range that reaches into the time that is asked about
            select coalesce((select b.from_at from tracker.coverage_ranges b
                             where b.asset_key = (select token.asset_key from token)
                               and b.journal_key = trackers.journal_key and b.from_at <= asked.from_at
                             order by b.from_at desc limit 1), asked.from_at) as at) first
          join tracker.coverage_ranges r on r.asset_key = (select token.asset_key from token)
            and r.journal_key = trackers.journal_key and r.from_at >= first.at and r.from_at < asked.to_at) h
  )
  select missing.gap,
         case when last.until_at is null then 'never_confirmed'
              when last.cause in ('never_confirmed', 'frozen', 'deaf', 'process_down', 'disk_full',
                                  'exchange_silent', 'clock_step', 'rejected', 'not_discovered') then last.cause
              else 'disconnected' end
  from wish    -- what is wanted and not covered, each with the end of listening that was the last before it
  cross join asked
  cross join horizon
  cross join covered
  cross join lateral unnest(
    tstzmultirange(wish.span * tstzrange(
      asked.from_at, greatest(asked.from_at, least(asked.to_at, horizon.at)))) - covered.spans) as missing (gap)
  left join lateral (
    select ends.until_at, ends.cause
    from (select e.until_at, e.cause, e.seq from ending e
          where e.is_an_end and e.until_at <= lower(missing.gap) and e.until_at >= lower(wish.span)
          union all    -- last of all that ended then
          select lower(missing.gap), 'rejected', 9223372036854775807
          from rejected where rejected.uncovered @> lower(missing.gap)
          union all
          select r.until_at, r.cause, r.released_seq
          from trackers cross join lateral (
            select r.until_at, r.cause, r.released_seq from tracker.coverage_ranges r
            where r.asset_key = (select token.asset_key from token) and r.journal_key = trackers.journal_key
              and r.from_at <= lower(missing.gap)
            order by r.from_at desc limit 1) r
          where r.until_at <= lower(missing.gap) and r.until_at >= lower(wish.span)) ends
    order by ends.until_at desc, ends.seq desc limit 1) last on true
  order by missing.gap;
end;

-- The width of candles(), or an error that says why these cannot be given: to a time without end they would go on until the
-- disk of the server is full. For the planner, who computes it where it is known: it reads nothing and depends on nothing else.
create function tracker.candle_width(from_time timestamptz, to_time timestamptz, width interval) returns interval
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  most constant integer := 1000000;
  buckets numeric;
begin
  if from_time is null or to_time is null or not isfinite(from_time) or not isfinite(to_time) then
    raise exception 'candles: from_time and to_time must be finite times, not % and %', from_time, to_time
      using errcode = 'invalid_parameter_value';
  end if;
  -- Months and years have no one length.
  if width is null or not isfinite(width) or width <= interval '0' or extract(month from width) <> 0
     or extract(year from width) <> 0 then
    raise exception 'candles: the width must be above 0, in weeks, days, hours, minutes or seconds, not %', width
      using errcode = 'invalid_parameter_value';
  end if;
  buckets := ceil((extract(epoch from to_time) - extract(epoch from from_time)) / extract(epoch from width));
  if buckets > most then
    raise exception 'candles: % buckets are too many: ask for % at most, of a shorter time or with a larger width',
      buckets, most using errcode = 'invalid_parameter_value';
  end if;
  return extract(epoch from width)::double precision * interval '1 second';    -- a day has 24 hours in every time zone
end
$$;

-- With the rights of its caller. Trades of one millisecond stand in the order of their receipt; of those that different epochs
-- received within one microsecond any may come first.
create function public.candles(
  token_id text, from_time timestamptz, to_time timestamptz, width interval default interval '1 minute')
returns table (bucket timestamptz, open numeric, high numeric, low numeric, close numeric, volume numeric,
               trades bigint, listened boolean)
language sql stable parallel safe
begin atomic
  with traded as (
    select date_bin(candles.width, t.traded_at, timestamptz '2000-01-01 00:00:00+00') as bucket,
           (array_agg(t.price order by t.traded_at, t.received_at, t.sequence))[1] as open,
           max(t.price) as high, min(t.price) as low,
           (array_agg(t.price order by t.traded_at desc, t.received_at desc, t.sequence desc))[1] as close,
           sum(t.size) as volume, count(*) as trades
    from public.trades t
    where t.token_id = candles.token_id
      and t.traded_at >= date_bin(tracker.candle_width(candles.from_time, candles.to_time, candles.width), candles.from_time,
                                  timestamptz '2000-01-01 00:00:00+00')
      and t.traded_at < candles.to_time
    group by 1
  ), covered as (
    select coalesce(range_agg(c.during), '{}') as spans from public.coverage c where c.token_id = candles.token_id
  )
  select series.at, traded.open, traded.high, traded.low, traded.close, coalesce(traded.volume, 0::numeric(38, 18)),
         coalesce(traded.trades, 0),
         covered.spans @> tstzrange(series.at, series.at + tracker.candle_width(candles.from_time, candles.to_time,
                                                                                candles.width))
  from generate_series(date_bin(tracker.candle_width(candles.from_time, candles.to_time, candles.width), candles.from_time,
                                timestamptz '2000-01-01 00:00:00+00'),
                       candles.to_time - interval '1 microsecond',
                       tracker.candle_width(candles.from_time, candles.to_time, candles.width)) as series (at)
  cross join covered
  left join traded on traded.bucket = series.at
  order by series.at;
end;

-- With the rights of its owner, since readers may not read tracker.trades themselves. The order is that of candles().
create function public.trades_of_transaction(
  transaction_hash text, from_time timestamptz default now() - interval '7 days', to_time timestamptz default 'infinity')
returns setof public.trades
language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off    -- the planner cannot know that a bloom filter leaves out nearly all of a day
as $$
begin
  if trades_of_transaction.transaction_hash !~ '^(0[xX])?([0-9a-fA-F]{2})+$' then
    raise exception 'trades_of_transaction: a hash is hexadecimal, two digits a byte, with or without 0x, not %',
      quote_literal(left(trades_of_transaction.transaction_hash, 100)) using errcode = 'invalid_parameter_value';
  end if;
  return query execute    -- planned for these times: only their days are looked into
    'with found as materialized (    -- first, and not for each token there is
       select * from tracker.trades f
       where f.transaction_hash = decode(regexp_replace($1, ''^0[xX]'', ''''), ''hex'') and f.traded_at >= $2 and f.traded_at < $3
     )
     select f.traded_at, f.received_at, a.condition_id, a.token_id, a.outcome,
            f.price::numeric(19, 18), f.size::numeric(38, 18),
            case when f.is_buy then ''BUY'' else ''SELL'' end, f.fee_rate_bps::integer,
            ''0x'' || encode(f.transaction_hash, ''hex''), f.occurrence::integer, f.epoch, f.sequence, f.trade_id, f.extra
     from found f join public.assets a using (asset_key)
     order by f.traded_at, f.received_at, f.sequence'
    using trades_of_transaction.transaction_hash, coalesce(trades_of_transaction.from_time, '-infinity'),
          coalesce(trades_of_transaction.to_time, 'infinity');
end
$$;
-- It shows trades to whoever may execute it.
revoke all on function public.trades_of_transaction from public;

-- market_coverage -------------------------------------------------------

-- All time until `to_time` in which a token was listened to and no trade of it is missing that the database rejected: what the
-- view `coverage` says of it. By token in either table: the view would read the rejected trades of all tokens.
create function tracker.covered_until(token integer, to_time timestamptz) returns tstzmultirange
language sql stable parallel safe
begin atomic
  select coalesce(range_agg(tstzrange(h.from_at, least(h.until_at, covered_until.to_time))), '{}'::tstzmultirange)
         - coalesce((select range_agg(m.uncovered) from public.assets a join public.rejected_messages m on m.doubt = a.token_id
                     where a.asset_key = covered_until.token and m.uncovered is not null and m.taken_in_at is null),
                    '{}'::tstzmultirange)
  from (select r.from_at, r.until_at from tracker.coverage_ranges r
        where r.asset_key = covered_until.token and r.from_at < covered_until.to_time
        union all
        select n.from_at, n.until_at from tracker.listening_now n
        where n.asset_key = covered_until.token and n.from_at < covered_until.to_time) h;
end;

-- Whether a gap, of which a question saw this part, is the wait for the first book of a token: 10 s at most as a whole, and ended
-- by that book. Not so when the token was let go before one came, or none has come yet.
create function tracker.is_first_book(token_id text, gap tstzrange, cause text) returns boolean
language sql stable parallel safe
begin atomic
  select exists (
    select from public.assets a
    cross join lateral public.coverage_gaps(a.token_id, lower(is_first_book.gap) - interval '11 seconds',
                                            upper(is_first_book.gap) + interval '11 seconds') whole
    where a.token_id = is_first_book.token_id and is_first_book.cause = 'never_confirmed'
      and whole.gap && is_first_book.gap and upper(whole.gap) - lower(whole.gap) <= interval '10 seconds'
      and tracker.covered_until(a.asset_key, upper(whole.gap) + interval '1 second') @> upper(whole.gap));
end;

-- What of a market was covered within [from_time, to_time), at least one of its tokens wanted. Gaps are those of coverage_gaps(),
-- covered is what `coverage` has. It runs with the rights of its caller.
--   first_at   when its token was listened to first; but that of the whole market where it came more than 10 s after that.
--   closed_at  when trading ended; without a time for that, when we learned of it last: a market may be opened again. Later gaps
--              do not make it incomplete.
--   known_at   what is later is not known yet: the last proof of a token that a tracker listens to now; else, when a tracker that
--              wants it is alive, when that was seen last. What a killed tracker has left open is no such listening.
--   complete   no gap before closed_at, but for a wait of 10 s at most for the first book; and from first_at to closed_at
--              all is covered: time in which nobody wanted the token is no gap, and its trades are not there either.
create function public.market_coverage(condition_id text, from_time timestamptz, to_time timestamptz)
returns table (wanted_s double precision, covered_s double precision, share double precision, complete boolean,
               longest_gap_s double precision, causes text[])
language sql stable parallel safe
begin atomic
  with asked as (
    select coalesce(market_coverage.from_time, '-infinity') as from_at,
           greatest(market_coverage.from_time, coalesce(market_coverage.to_time, 'infinity')) as to_at
  ), closing as (    -- one row
    select coalesce(
             least((select m.closed_time from public.markets m
                    where m.condition_id = market_coverage.condition_id and m.closed),
                   (select r.resolved_at from public.resolutions r where r.condition_id = market_coverage.condition_id)),
             (select h.known_at from public.market_history h
              where h.condition_id = market_coverage.condition_id and h.changes -> 'closed' = 'true'
                and exists (select from public.markets m where m.condition_id = market_coverage.condition_id and m.closed)
              order by h.known_at desc limit 1),
             'infinity') as closed_at
  ), token as (    -- a row for each token
    select a.asset_key, a.token_id, heard.spans, lower(heard.spans) as heard_at, min(lower(heard.spans)) over () as first_at,
           coalesce(known.proven_until, known.alive_at, now()) as known_at
    from public.assets a
    cross join asked
    cross join lateral (select tracker.covered_until(a.asset_key, asked.to_at) as spans) heard
    cross join lateral (    -- one row: of the trackers that ever wanted it and are alive, as in coverage_gaps()
      select max(n.until_at) as proven_until, max(run.alive_at) as alive_at
      from (select distinct w.journal_key from tracker.wanted w where w.asset_key = a.asset_key) wanting
      cross join lateral (select p.start_seq, p.alive_at, p.stopped_at from tracker.process_life p
                          where p.journal_key = wanting.journal_key order by p.start_seq desc limit 1) run
      left join lateral (select l.until_at from tracker.listening_now l
                         where l.asset_key = a.asset_key and l.journal_key = wanting.journal_key and l.is_open
                           and l.epoch > run.start_seq) n on true
      where run.stopped_at is null and run.alive_at > now() - interval '60 seconds') known
    where a.condition_id = market_coverage.condition_id
  ), missing as (    -- a row for each gap
    select token.asset_key, g.gap, g.cause, upper(g.gap) - lower(g.gap) as lasts,
           case when g.cause <> 'never_confirmed' or upper(g.gap) - lower(g.gap) > interval '10 seconds' then false
                when lower(g.gap) > asked.from_at and upper(g.gap) < asked.to_at then token.spans @> upper(g.gap)
                else tracker.is_first_book(token.token_id, g.gap, g.cause) end as is_first_book
    from token cross join asked cross join lateral public.coverage_gaps(token.token_id, asked.from_at, asked.to_at) g
  ), judged as (    -- a row for each token
    select tstzmultirange(tstzrange(least(greatest(asked.from_at, heard.at), until.at), until.at))
           - token.spans
           - coalesce((select range_agg(m.gap) from missing m where m.asset_key = token.asset_key and m.is_first_book),
                      '{}'::tstzmultirange) as unheard,
           (select sum(upper(part) - lower(part))
            from unnest(token.spans * tstzmultirange(tstzrange(asked.from_at, asked.to_at))) part) as covered
    from token
    cross join asked
    cross join closing
    cross join lateral (
      select coalesce(case when token.heard_at <= token.first_at + interval '10 seconds' then token.heard_at
                           else token.first_at end, 'infinity') as at) heard
    cross join lateral (
      select greatest(asked.from_at, least(asked.to_at, closing.closed_at, token.known_at)) as at) until
  ), summed as (    -- one row; milliseconds
    select round(1000 * coalesce(extract(epoch from (select sum(j.covered) from judged j)), 0)) as covered,
           round(1000 * coalesce(extract(epoch from (select sum(m.lasts) from missing m)), 0)) as missed,
           round(1000 * coalesce(extract(epoch from (select max(m.lasts) from missing m)), 0)) as longest
  )
  select (s.covered + s.missed)::double precision / 1000, s.covered::double precision / 1000,
         s.covered::double precision / (s.covered + s.missed)::double precision,
         (select bool_and(isempty(j.unheard)) from judged j)
         and not exists (select from missing m cross join closing
                         where not m.is_first_book and lower(m.gap) < closing.closed_at),
         s.longest::double precision / 1000,
         coalesce((select array_agg(distinct m.cause order by m.cause) from missing m), '{}')
  from summed s
  where s.covered + s.missed > 0;
end;

-- Days as they were computed, without those that must be as a whole once more. Of a market and day that is to be computed again
-- nothing is told but that it is not known to be complete. The name of a market is joined last, so that who counts markets does
-- not read it.
create view public.market_coverage as
select a.condition_id, m.day,
       case when not known.is_changed then m.wanted_ms / 1000::double precision end as wanted_s,
       case when not known.is_changed then (m.wanted_ms - coalesce(m.missed_ms, 0)) / 1000::double precision end as covered_s,
       case when not known.is_changed
            then (m.wanted_ms - coalesce(m.missed_ms, 0)) / m.wanted_ms::double precision end as share,
       m.is_complete and not known.is_changed as complete,
       case when not known.is_changed then coalesce(m.longest_ms, 0) / 1000::double precision end as longest_gap_s,
       case when not known.is_changed then coalesce(m.causes, '{}') end as causes,
       case when not known.is_changed then d.computed_at end as computed_at
from tracker.market_days m
join tracker.computed_days d on d.day = m.day and d.revision = m.revision and d.computed_at is not null
cross join lateral (
  select exists (select from tracker.changed_market_days c where c.asset_key = m.asset_key and c.day = m.day) as is_changed
  offset 0) known
left join public.assets a on a.asset_key = m.asset_key;

-- comments --------------------------------------------------------------

comment on view public.trades is
  'One row for each trade, stored once however often it was received, and never changed or deleted. The feed reports the match of one taker''s order, on the taker''s token only: the total size at one price, though it may have met several orders at several prices. A trade is reported before it is settled on the chain. Fast for a token and a time span, for a time span of hours, and for the newest trades (order by traded_at desc limit 10). A question without a time reads every day.';
comment on column public.trades.traded_at is
  'exchange time, to the millisecond';
comment on column public.trades.received_at is
  'when the first tracker that stored it read its bytes, the clock of its host, to the microsecond; a tracker with more than 300 connections reads them in rounds, up to 0.2 s after they arrived. A trade that was stored later (an outage, taken in (docs/how-to/upgrade.md)) keeps it';
comment on column public.trades.condition_id is
  'the market, 0x…';
comment on column public.trades.token_id is
  'the outcome''s token, up to 78 digits';
comment on column public.trades.outcome is
  'its name, such as Yes; NULL until the catalog knows the token';
comment on column public.trades.price is
  'USDC a share, above 0 and at most 1: numeric(19, 18), as it was told, never rounded';
comment on column public.trades.size is
  'shares, above 0: numeric(38, 18), likewise';
comment on column public.trades.side is
  'the taker''s: BUY or SELL';
comment on column public.trades.fee_rate_bps is
  'fee rate that the feed reported, basis points; NULL when it reported none (one that cannot be is in extra)';
comment on column public.trades.transaction_hash is
  '0x… of the Polygon transaction; NULL when the feed reported none. Several trades may share one';
comment on column public.trades.occurrence is
  '1, or k for the k-th identical trade: see Identical trades (docs/how-to/query.md)';
comment on column public.trades.epoch is
  'the run of a connection in which it was received, a number that is unique in the database: the number that this epoch has in its journal (as in rejected_messages.epoch) plus journal_key times 2^44; NULL: not known, as for a trade that was taken in (docs/how-to/upgrade.md) later';
comment on column public.trades.sequence is
  'its order of receipt within that epoch, so that trades with the same millisecond can be replayed. It says nothing about trades of another epoch: among those received_at is the order, and within one microsecond of it the order is arbitrary. NULL likewise';
comment on column public.trades.trade_id is
  'NULL: the feed has no trade id today';
comment on column public.trades.extra is
  'fields of the trade that this version does not know; NULL when there are none';
comment on function public.candles(text, timestamptz, timestamptz, interval) is
  'A function: candles(token_id, from_time, to_time, width), with a width of one minute unless another one is given. It reads the trades of this token alone and returns every bucket from that which holds from_time to to_time, also those without a trade. The first bucket is whole, though it may begin before from_time; the last one has the trades before to_time only, and listened tells about all of it, so it may be cut. Both times must be finite; the width must be above 0 and without months or years, which have no one length; 1,000,000 buckets are given at most (minutes of 694 days). Anything else is an error that says so.
bucket: start of the bucket; buckets are counted from 2000-01-01 00:00 UTC
open: first price, USDC a share; NULL without a trade
high: highest price
low: lowest price
close: last price
volume: shares that were traded, not USDC; 0 without a trade
trades: number of trades
listened: whether the whole bucket is covered: then trades = 0 means that there were none';
comment on function public.trades_of_transaction(text, timestamptz, timestamptz) is
  'A function: trades_of_transaction(transaction_hash, from_time, to_time). It returns the rows of trades with this transaction in a time span; without one, those of the last 7 days. A time that is NULL is no limit. The hash may be given with or without its 0x; what is no hash is an error. There is no index of transactions over all days: the shorter the span, the faster it is.';
comment on table public.markets is
  'One row for each market, as last reported: all columns but condition_id and first_seen_at are overwritten, though never by nothing: what a later report leaves out stays. What was known earlier is in market_history. A market that is known from the feed''s announcement alone has most of them only when Gamma lists it.';
comment on column public.markets.condition_id is
  'the market, 0x…';
comment on column public.markets.question is
  'what is asked';
comment on column public.markets.slug is
  'the end of its web address';
comment on column public.markets.gamma_id is
  'its number at Gamma';
comment on column public.markets.end_date is
  'when trading is planned to end; often wrong, may be NULL';
comment on column public.markets.started_at is
  'Gamma''s start date; may be NULL';
comment on column public.markets.closed is
  'trading has ended; not that it resolved';
comment on column public.markets.active is
  'Gamma lists it as active. False also for a market that is known from the feed''s announcement alone';
comment on column public.markets.neg_risk is
  'one of several markets of which at most one resolves Yes';
comment on column public.markets.version is
  'v1 (CTF tokens) or v2 (positions)';
comment on column public.markets.volume is
  'USDC traded, as Gamma reported it last; may be NULL';
comment on column public.markets.tags is
  'tag slugs';
comment on column public.markets.event_id is
  'its event, in events; may be NULL';
comment on column public.markets.neg_risk_market_id is
  '0x…, the same for all markets of which at most one resolves Yes: when one of them trains a model, none may test it; NULL when there are none';
comment on column public.markets.group_title is
  'its name among the markets of its event, such as $1B; may be NULL';
comment on column public.markets.game_start is
  'when the game is planned to start; NULL when it is about none';
comment on column public.markets.closed_time is
  'when trading ended, as Gamma says; often before the tracker learnt of it. NULL while it is open, and of a market whose resolution was recorded before a listing called it closed';
comment on column public.markets.tick_size is
  'smallest step of a price, USDC; it becomes smaller near 0 and 1; may be NULL';
comment on column public.markets.fee_schedule is
  'the fees as Gamma tells them, such as {"rate": 0.03, "exponent": 1, "takerOnly": true, "rebateRate": 0.25}; may be NULL';
comment on column public.markets.description is
  'the rules by which it resolves; may be NULL';
comment on column public.markets.first_seen_at is
  'when the tracker first stored it, the database''s clock';
comment on column public.markets.updated_at is
  'when the row last changed, likewise; a new volume changes it, too';
comment on table public.events is
  'One row for each event: what markets about the same thing belong to, as last reported with one of them. What a later report leaves out stays. Rows and columns that Gamma did not tell are missing: join it with left join.';
comment on column public.events.event_id is
  'its number at Gamma';
comment on column public.events.slug is
  'the end of its web address; may be NULL, as all below';
comment on column public.events.title is
  'its title';
comment on column public.events.series_slug is
  'the series that it repeats in, such as btc-up-or-down-5m';
comment on column public.events.neg_risk is
  'at most one of its markets resolves Yes';
comment on column public.events.neg_risk_augmented is
  'markets may be added to it later, so none of those that are known now may resolve Yes';
comment on column public.events.neg_risk_market_id is
  'that of its markets';
comment on column public.events.starts_at is
  'when what it is about is planned to begin';
comment on column public.events.end_date is
  'when it is planned to end; often wrong';
comment on column public.events.first_seen_at is
  'when the tracker first stored it';
comment on column public.events.updated_at is
  'when the row last changed';
comment on table public.market_history is
  'What was known of a market when: one row when it was first stored, with all that was known, and one for each later change, with what changed. Rows are only added. The market as of a time is made of its rows until then, the last value of each column: see A market as it was known (docs/how-to/query.md). Volumes have no history, nor have events and assets: joined, they tell what is known today.';
comment on column public.market_history.condition_id is
  'the market';
comment on column public.market_history.known_at is
  'when the tracker stored it, the database''s clock; later than it became true';
comment on column public.market_history.changes is
  'columns of markets and their new values, without volume, first_seen_at and updated_at; a column that is not in any row until then was NULL';
comment on table public.assets is
  'One row for each token.';
comment on column public.assets.asset_key is
  'our number for it, different in every database';
comment on column public.assets.token_id is
  'the token';
comment on column public.assets.condition_id is
  'its market; NULL until a trade or the catalog names it';
comment on column public.assets.outcome is
  'its name, such as Yes; NULL until the catalog knows the token. A later listing with another name does not change it and opens a contradiction; a resolution whose sources prove another name does. That changes the outcome of trades of then, too. An earlier name is kept where a source told it: in names of resolution_observations, and in that contradiction';
comment on column public.assets.outcome_index is
  '0 or 1, NULL likewise: its place among the outcomes when it was first listed, which never changes';
comment on table public.resolutions is
  'Final outcomes: agreed by independent sources, never changed (the database does not allow it). A market that is not here has none that is recorded: it goes on, or its sources are not final or not agreed (unresolved_markets). How they are decided: Resolutions (docs/explanation/resolutions.md).';
comment on column public.resolutions.condition_id is
  'the market';
comment on column public.resolutions.kind is
  'winner, or split when each outcome pays the same';
comment on column public.resolutions.winning_token_id is
  'the token that pays 1; NULL for a split';
comment on column public.resolutions.winning_outcome is
  'its name when the resolution was recorded; NULL for a split, and when no two sources told it alike';
comment on column public.resolutions.payouts is
  'USDC a share in the order of outcome_index, sum 1; by token, for joining, they are in resolution_payouts';
comment on column public.resolutions.resolved_at is
  'when it resolved, as Gamma says; where it does not, when a source was final first (observed_at)';
comment on column public.resolutions.recorded_at is
  'when the resolution was recorded, the database''s clock: before that nobody who reads this table knew it';
comment on column public.resolutions.sources is
  'which sources agreed';
comment on table public.resolution_payouts is
  'What each token of a resolved market pays, recorded with the resolution and never changed. This is the label: join it by token_id.';
comment on column public.resolution_payouts.condition_id is
  'the market';
comment on column public.resolution_payouts.token_id is
  'the token';
comment on column public.resolution_payouts.outcome is
  'its name when the resolution was recorded; NULL when no two sources told it alike';
comment on column public.resolution_payouts.payout is
  'USDC a share: numeric(19, 18)';
comment on view public.labels is
  'The labels as they are known now: one row for each token of a resolved market. For training as of a time use labels_as_of, which has no evidence of later. Fast for a token, for a market, and for all.';
comment on column public.labels.token_id is
  'the token';
comment on column public.labels.condition_id is
  'its market';
comment on column public.labels.outcome is
  'its name when the resolution was recorded; NULL when no two sources told it alike';
comment on column public.labels.payout is
  'USDC a share: 1, 0, or 0.5 for a split; numeric(19, 18)';
comment on column public.labels.resolved_at is
  'when the market resolved, as in resolutions';
comment on column public.labels.known_at is
  'when the resolution was recorded, the database''s clock: before that nobody knew it here';
comment on column public.labels.contested is
  'a contradiction about the outcome of the market is open: outcome in resolution_conflicts. One that was cleared does not count, nor do names of tokens that a listing tells otherwise';
comment on column public.labels.sources is
  'which sources agreed';
comment on function public.labels_as_of(timestamptz) is
  'A function: labels_as_of(at). It returns the rows of labels as they were known at that time: those with known_at at or before it, and contested by what was recorded by then and whose end was not. What is learned later changes no row of it. Fast where it is asked about a token or a market; no row for NULL.';
comment on table public.resolution_confirmations is
  'Sources that agree with a recorded resolution and were not among those that decided it. Rows are only added.';
comment on column public.resolution_confirmations.condition_id is
  'the market';
comment on column public.resolution_confirmations.source is
  'which source agrees, as in resolution_observations';
comment on column public.resolution_confirmations.confirmed_at is
  'when it was asked for the answer that agrees, our clock, as observed_at in resolution_observations';
comment on column public.resolution_confirmations.recorded_at is
  'when the row was written, the database''s clock';
comment on table public.resolution_observations is
  'The evidence: each time a source said something new about a market, and each step of the market on its way to a resolution. Rows are only added. What was known at a time T is, of each source, the row with the latest observed_at among those with recorded_at <= T.';
comment on column public.resolution_observations.condition_id is
  'the market';
comment on column public.resolution_observations.source is
  'gamma, clob, data or chain; tracker for a step of the market';
comment on column public.resolution_observations.observed_at is
  'when it was asked for this answer, our clock; for tracker when the market took the step';
comment on column public.resolution_observations.verdict is
  'winner <token id>, split, other payouts or not final; for tracker the state of the market (docs/explanation/resolutions.md)';
comment on column public.resolution_observations.reason is
  'why it is not final, empty when it is; for tracker what led to the state';
comment on column public.resolution_observations.payouts is
  '[[token id, payout], …] as this source tells them when final, else NULL. What was decided is in resolution_payouts';
comment on column public.resolution_observations.payload is
  'what the source said, whole; a JSON string when it was no JSON';
comment on column public.resolution_observations.recorded_at is
  'when the row was written, the database''s clock';
comment on column public.resolution_observations.mapped_by is
  'the other sources whose word it takes for which token is meant; no source of this version does, so it is empty';
comment on column public.resolution_observations.generated_at is
  'when the source made the answer, if a cache had kept it; NULL: when it was observed';
comment on column public.resolution_observations.naming is
  'how it names the token that pays, one of four values: token id; own list: by a place in a list that the same answer has beside its tokens; computed slot: by a slot of the contract, from which the token follows; both alike: both pay the same, so none need be named. Means nothing when payouts is NULL';
comment on column public.resolution_observations.names is
  'the name of each token''s outcome as this answer tells it, {token id: name}; NULL when it tells none';
comment on table public.resolution_conflicts is
  'Contradictions to a recorded resolution, or between sources; and listings that tell other names of tokens than before. The resolution that is recorded stays as it is, whatever contradicts it. A contradiction is open until cleared_at, and one row while it is open, whoever repeats it and from whichever side; when it comes back later, that is a new row. Rows are never deleted. A person ends the open ones of a market with tracker --acknowledge (docs/how-to/operate.md).';
comment on column public.resolution_conflicts.condition_id is
  'the market';
comment on column public.resolution_conflicts.detected_at is
  'when it was seen: observed_at of the answer, the tracker''s clock; for a listing and for verdict when the row was written, the database''s';
comment on column public.resolution_conflicts.recorded is
  'what is recorded, or what the other source says, in the words of resolution_observations; for mapping a name';
comment on column public.resolution_conflicts.observed is
  'what contradicts it, likewise';
comment on column public.resolution_conflicts.source is
  'which source says so. verdict is no source: another tracker decided otherwise than what had been recorded';
comment on column public.resolution_conflicts.kind is
  'outcome; or mapping: which token has which name, or (index 0, index 1) which place among the outcomes';
comment on column public.resolution_conflicts.cleared_at is
  'when it ended, the tracker''s clock; NULL: it is open';
comment on column public.resolution_conflicts.cleared_by is
  'why it ended, such as sources agree, or acknowledged: … with the reason that a person gave. NULL: it is open';
comment on column public.resolution_conflicts.recorded_at is
  'when it was stored, the database''s clock: as of an earlier time nobody knew it here';
comment on column public.resolution_conflicts.clearance_recorded_at is
  'when its end was stored, likewise; NULL: it is open';
comment on view public.unresolved_markets is
  'Markets that should have an outcome (closed, past their end, or reported as ended) and have none recorded. A view of what the tracker remembers in tracker.unresolved, which holds all markets without a resolution, also those that go on.';
comment on column public.unresolved_markets.condition_id is
  'the market';
comment on column public.unresolved_markets.ended_at is
  'the planned end of trading when that is over; else the time at which the market entered its state, NULL before it has one';
comment on column public.unresolved_markets.state is
  'how far it has come: ended: nobody proposes an outcome yet, or one source alone is final; proposed and disputed: a source reports so; agreed-holding: two sources agree, and it is waited whether they stay with it; recorded: it is being stored; conflict: final answers contradict each other; open: its end is over, and its sources have not been asked since (states of a market (docs/explanation/resolutions.md))';
comment on column public.unresolved_markets.reason is
  'what each source said last, such as data: proposed; gamma: closed without status; each is explained in the table of the sources (docs/explanation/resolutions.md)';
comment on column public.unresolved_markets.last_observed_at is
  'when a source last said something new; NULL before the first look';
comment on view public.coverage is
  'When listening to a token was proven, on any connection of any tracker. In exchange time; a beginning is by our clock where that is later.';
comment on column public.coverage.token_id is
  'the token';
comment on column public.coverage.during is
  'one range; those of a token do not overlap. A range goes on however often connections are replaced';
comment on column public.coverage.known_at is
  'from when on this was known: its beginning, or, when proofs of it were stored more than ten minutes after the times that they prove (after an outage of the database), when the last of them was; and when rejected messages were taken in that had left a part of it out, when the last of them was. One such part makes the whole range late, so it may say too little of what was known; too much by ten minutes at most. As of a time T a token was covered in during * tstzrange(NULL, T) of the rows with known_at <= T';
comment on function public.coverage_gaps(text, timestamptz, timestamptz) is
  'A function: coverage_gaps(token_id, from_time, to_time). It returns when the token was wanted and listening was not proven. A time that is NULL is no limit.
- A token that is not known has no rows: that proves nothing. Nor is time in which nobody wanted the token a gap. Whether a time was listened to is told by coverage alone. Time that is in neither was not wanted, or is not known yet.
- What is not known yet is no gap: the last seconds of a running tracker, and the future. The present is ours, or the last time of the exchange that is known when that is later: with a clock that is behind, gaps reach up to that.
- A token is wanted from the moment at which its market is chosen (or, if it could have been chosen earlier and was not known, from then on) until its resolution is stored, or until it has been closed for a day (TRACKER_CLOSED_SECONDS). After the resolution there are no gaps, also when a tracker starts again, takes the market from a listing that lags behind, and wants and hears it for a while.
With several trackers, and with one that is away:
- Time in which all that want the token are away is a gap. A tracker that was alone, or whose successor went away, too, leaves a gap until one returns.
- When a tracker stopped or was killed and another one also wants the token, or wanted it, what the other one wants counts from then on: while it runs, and for good when it lets the token go.
- When the first one returns and listens to the token again, it has wanted it all the time. When it returns and lets it go within five minutes, because the market has closed meanwhile, what the other one decided stands.
- When a tracker has not been seen for 24 hours and another one has been seen later, it wants nothing any more until it returns. A person can say so at once: retire (docs/how-to/maintain.md).
gap: one range
cause: never_confirmed, disconnected, frozen, deaf, process_down, disk_full, exchange_silent, clock_step, rejected or not_discovered
The cause says how the listening ended that was the last before the gap:
- never_confirmed: there was none since the token is wanted; its first book has not come.
- disconnected: the connection was lost, or ended by a fault of ours; or a part of the journal was lost (journal_hole in the log) or is not understood (journal_records_unknown).
- frozen: the connection was open and brought no data.
- deaf: the connection brought data of other tokens and missed trades of this one.
- process_down: the tracker was stopped, killed or without power.
- disk_full: the tracker could not write what it received.
- clock_step: our clock was behind the exchange''s when listening began, as was found only later: until then it does not count.
- exchange_silent: the exchange sent nothing to any connection.
- rejected: a trade was received and is not in trades; it is in rejected_messages. Either an event that may be a trade could not be read, or the database could not hold a trade. In the first case the gap reaches from the last trade that was kept before it to the first proof behind it, for its token, or for all tokens of the connection when its token cannot be read. It is closed when a later version understands (docs/how-to/upgrade.md) what was kept: every message in it that may be a trade of the token. In the second case it is the second in which the trade was traded, and is closed when the database has taken the trade after all, which the tracker tries by itself. It is a gap for every tracker that listened, also where all of that was settled before.
- not_discovered: the market could be traded and the tracker did not know it. The gap begins with its start date, or, if that is older, with the last complete listing of all markets that did not have it, and ends with the first book. Markets that wait for their volume (TRACKER_MIN_VOLUME, TRACKER_MAX_ASSETS) leave none, nor do those that began before the tracker was started and are found by its first listing.';
comment on view public.market_coverage is
  'One row for each market and each day (UTC) on which one of its tokens was wanted: whether the market is complete on that day, and how much of it was listened to. It says what coverage and coverage_gaps say of the day, summed over the market''s tokens; a gap is a gap of coverage_gaps. It is fast for a month of all markets, as they are not.
- A day is there as a whole, or not yet. Its rows are computed when it is over for every tracker that is not retired (docs/how-to/maintain.md) (the rule by which an export (docs/reference/dataset.md) calls a day final): 10 minutes after its end at the earliest, and on the whole exchange half an hour later. A tracker that was killed and does not return holds all later days up until it is retired. Today has no rows: ask the function.
- What comes late changes it. A message or a trade that is taken in, a trade that is rejected, a wish that is dated back, a market or a token that is stored late, a resolution, or another end of trading: the rows that this concerns have computed_at NULL until they are computed again, within some minutes. Then complete is false and the numbers are NULL. When a tracker returns or is retired, all days since it was seen last are computed again, and are not there until then.
- Rows are made by a running tracker, those of the oldest day first.';
comment on column public.market_coverage.condition_id is
  'the market';
comment on column public.market_coverage.day is
  'the day, UTC';
comment on column public.market_coverage.wanted_s is
  'seconds of its tokens together that were listened to, or missed: 172,800 for a whole day of two tokens';
comment on column public.market_coverage.covered_s is
  'seconds of its tokens together that were listened to';
comment on column public.market_coverage.share is
  'covered_s / wanted_s';
comment on column public.market_coverage.complete is
  'every token was covered from the first listening to the market until trading ended, as far as that is within the day. Trading ended at markets.closed_time of a market that is closed, or at resolutions.resolved_at, whichever is earlier; where there is neither, when we learned that it is closed, the last time if it was opened again. Gaps after that do not count, nor does the wait for the first book of a token (a gap never_confirmed that lasted 10 s at most, as a whole, and ended with the book); every other gap does. So does time in which nobody wanted the market although it went on, which is no gap';
comment on column public.market_coverage.longest_gap_s is
  'seconds of the longest gap of one token within the day; 0 without a gap';
comment on column public.market_coverage.causes is
  'the causes of its gaps, sorted; empty without a gap';
comment on column public.market_coverage.computed_at is
  'when the day was computed as a whole, the database''s clock; NULL: something changed, and the row is not computed again yet';
comment on function public.market_coverage(text, timestamptz, timestamptz) is
  'A function: market_coverage(condition_id, from_time, to_time). It computes the same of any time at once, as it is known now, also of today: one row, or none when no token of the market was wanted then, or it is not known. What is not known yet (the last seconds, the future) is neither covered nor missed. A time that is NULL is no limit; one that ends before it begins has no row.
wanted_s: as above
covered_s: as above
share: as above
complete: as above, within the time that is asked about
longest_gap_s: as above
causes: as above';
comment on table public.connection_events is
  'What happened to connections, for looking back: of the last 90 days, and all marks of disputed trades (docs/how-to/query.md).
Trades are never left out on suspicion; one that may be stored once too often is marked here. sent_twice: one feed alone had so many identical ones. Each is a row of trades, and the mark names a row beyond those that the other feed had, too. dated_apart: the feeds gave one transaction''s trade two times up to two seconds apart. Both are rows of trades, and the mark names the later. Not marked is what was received in the last half minute before a kill -9 or a power cut, or read back from the journal: what else, and a query (docs/how-to/query.md).';
comment on column public.connection_events.at is
  'when, our clock; of a disputed trade its received_at';
comment on column public.connection_events.connection is
  'such as a-0001; of a disputed trade that which gave the row';
comment on column public.connection_events.event is
  'sent_twice and dated_apart: a disputed trade. Else connected, disconnected, reconnected, or failed: it could not be opened, or ended before it received anything, written once for each new reason';
comment on column public.connection_events.reason is
  'why a connection ends (docs/reference/log-events.md); of a disputed trade its token, milliseconds since 1970, occurrence, price and size, with blanks between';
comment on column public.connection_events.journal_key is
  'which tracker: the number of its journal, another one in every database';
comment on table public.rejected_messages is
  'What was received and could not be used, verbatim. Of that, everything that may be a trade is here: each event of a trade, and each event of another name with token, price, size and time; in an hour as much as a twentieth of the journal''s largest size, 1 GiB of 20, and no more, so that a flood does not fill the disk (its tokens are not covered then, and the log has perhaps a trade, and too much of such is kept). What a later version takes in (docs/how-to/upgrade.md) stays here and has a taken_in_at.
Of what a connection brought and cannot be a trade (doubt is NULL, epoch is not) samples are kept: of each kind, which is the unknown name of an event or else the reason, the first 20 in a minute, of all connections together. The first 16 kinds of a minute are told apart, the others count as one; of each at most 32 KiB are kept, and what is longer once in an hour. All of them are counted (drift.left_out_total (docs/reference/status.md), unknown_event_type in the log). occurrence counts also those that are not kept. Samples are deleted 30 days after their receipt, no other row of this table is: how long each table is kept (docs/explanation/storage.md).
Where connection is database and uncovered has a time, it is a trade that the database could not hold. The tracker tries to store it again, some seconds after each start and after the first such trade, then less and less often, at last every ten minutes; when that succeeds, the row has a taken_in_at and the gap is closed. How many are left is database.rejected_trades (docs/reference/status.md).
Where connection is journal, a record of the tracker''s own journal is kept: a fact about coverage that the database could not hold, or a record of a kind that this version does not know. As long as it is not taken in, the coverage of its time stays open to change.';
comment on column public.rejected_messages.received_at is
  'when its bytes arrived, read from the clock as trades.received_at is; of what no connection brought, when it was written or rejected (a trade keeps its own time)';
comment on column public.rejected_messages.connection is
  'which connection brought it; database: none, it is a row that the database could not hold, or a resolution without its evidence; journal: none, it is a record of the journal';
comment on column public.rejected_messages.reason is
  'one stable phrase, such as price out of range; of a row that the database could not hold also what it said';
comment on column public.rejected_messages.payload is
  'the bytes as received; of database the row as JSON; of journal the bytes of the record (MessagePack)';
comment on column public.rejected_messages.journal_key is
  'which tracker: the number of its journal';
comment on column public.rejected_messages.seq is
  'the number in that journal of the record that held it; NULL for database';
comment on column public.rejected_messages.index is
  'its place among the rejected messages of that record, from 0; NULL likewise';
comment on column public.rejected_messages.message_key is
  'our number for it';
comment on column public.rejected_messages.epoch is
  'which run of that connection, the number that it has in the journal (trades.epoch has 2^44 times journal_key more); NULL when no connection brought it';
comment on column public.rejected_messages.occurrence is
  '1, or k for the k-th event with the same bytes on its connection: trades.occurrence of the trade in it, once a version understands it';
comment on column public.rejected_messages.doubt is
  'the token of the trade that it may be, or is (database), * when that can be any; NULL when it is no trade';
comment on column public.rejected_messages.taken_in_at is
  'when a version that understands it stored its trades, or the database held it after all, the database''s clock; NULL: not yet';
comment on column public.rejected_messages.uncovered is
  'of a trade that the database could not hold, the second of the exchange''s clock in which it was traded: as long as it is not taken in, that time of its token is a gap, whoever listened then. When its time is impossible, the minute before its receipt. NULL of all others';
comment on table public.audits is
  'What a witness that shares nothing with the feed says of an hour of a market: how we know that nothing is missing (docs/explanation/audit.md). One row for each hour, market and witness. A later audit replaces it, but one that is unknown replaces only another unknown; a row of the chain is deleted when the Data API and the database agree in everything later. Rows are deleted 400 days after they were written. What the witness lists is compared, and never stored as a trade. The numbers count tokens in transactions, whatever the number of trades or fills in them.';
comment on column public.audits.condition_id is
  'the market';
comment on column public.audits.hour is
  'when the hour begins';
comment on column public.audits.witness is
  'who was asked: data is the Data API; chain the logs of the exchange''s contracts, about transactions of which data lists what is not stored, or not what is: missing or unknown, never complete; rtds the stream of all markets, of which a sample is kept';
comment on column public.audits.theirs is
  'what the witness lists in that hour';
comment on column public.audits.ours is
  'what is stored in that hour';
comment on column public.audits.missing is
  'what the witness lists and is not stored, or less of it: 0.01 shares at least';
comment on column public.audits.outside_gaps is
  'of missing, what was traded while the token was covered';
comment on column public.audits.unmatched is
  'what is stored and the witness does not list, or less of it; not within a minute of the edges of the hour';
comment on column public.audits.result is
  'complete: all that the witness lists is stored, and it lists all that is stored; missing: missing is not 0; unknown: nothing is missing of what it lists, and it does not list, or show, all of the hour';
comment on column public.audits.checked_at is
  'when it was compared, our clock';
comment on column public.audits.evidence is
  'reasons why it is unknown, how often each (counts), the first few that are missing and unmatched, when the answer was made (made_at), in how many pages, what of it was rejected, and the floor: smaller trades are not judged';
