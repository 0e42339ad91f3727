-- A database of version 0.1.0 with a row of everything. Never edited.
create table if not exists schema_migrations (
  name       text primary key,
  checksum   text not null,              -- sha256 of the file, hexadecimal
  applied_at timestamptz not null default now()
);

-- 0001_create_catalogue.sql
-- Why: names for what the feed only numbers. `assets` gives every token an
--      integer, which is what prints carry instead of 77 digits; a token may be
--      known (wanted, printed) before any market names it, so condition_id,
--      outcome and outcome_index may be NULL for a while.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
create table assets (
  asset_key     integer generated always as identity primary key,
  token_id      text not null unique,
  condition_id  text,
  outcome       text,
  outcome_index integer
);
create index assets_condition on assets (condition_id);

create table markets (
  condition_id  text primary key,
  question      text not null,
  slug          text not null,
  gamma_id      text,
  end_date      timestamptz,          -- when trading is planned to end
  started_at    timestamptz,
  closed        boolean not null,     -- trading ended; not that it resolved
  active        boolean not null,
  neg_risk      boolean not null,
  version       text not null,        -- v1 (CTF tokens) or v2 (positions)
  volume        numeric,              -- USDC, as last told
  tags          text[] not null,
  first_seen_at timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);


-- 0002_create_prints.sql
-- Why: one row for each trade printed. `prints` is what is stored, the view
--      `trades` joins the names back, `candles_1m` sums up by the minute.
--      The unique key is the identity of a print: token and exchange time as
--      columns, the rest as a 64-bit digest. It begins with the token, so that
--      it also answers "prints of this token from … to …", and so that a late
--      or repeated row into a compressed chunk costs 0.05 ms instead of 3-9.
--      No foreign key to assets: it would cost one look-up a row, and the writer
--      numbers the token first, in the same transaction.
--      TimescaleDB: hypertable by day, columnstore after two days with explicit
--      settings (the default ones once made the table 2.7 times larger), a
--      real-time continuous aggregate, and no retention: raw trades cannot be
--      fetched again. Elsewhere a plain table, a BRIN index and a plain view.
--      `alter database … set tracker.timescale = 'off'` (or 'require') before
--      the first start decides; without it TimescaleDB is used where it is.
-- Locks: none that matter, the tables are new. Takes: under a second.
create table prints (
  traded_at        timestamptz not null,
  received_at      timestamptz not null,
  print_hash       bigint not null,
  asset_key        integer not null,
  fee_rate_bps     integer,
  occurrence       integer not null check (occurrence > 0),
  side             text not null check (side in ('BUY', 'SELL')),
  price            numeric not null check (price > 0 and price <= 1),
  size             numeric not null check (size > 0 and size < 'Infinity'),
  transaction_hash bytea,
  trade_id         text,
  extra            jsonb,
  unique (asset_key, traded_at, print_hash)
);

create view trades as
select p.traded_at, p.received_at, a.condition_id, a.token_id, a.outcome, p.price, p.size, p.side,
       p.fee_rate_bps, '0x' || encode(p.transaction_hash, 'hex') as transaction_hash, p.occurrence,
       p.trade_id, p.extra
from prints p join assets a using (asset_key);

do $timescale$
declare
  wish text := coalesce(nullif(current_setting('tracker.timescale', true), ''), 'auto');
  version text;
begin
  if wish not in ('auto', 'off', 'require') then
    raise exception 'tracker.timescale must be auto, off or require, not %', wish;
  end if;
  -- The setting below exists only where the server preloads the extension's loader.
  if wish <> 'off' and current_setting('timescaledb.max_background_workers', true) is not null
     and exists (select from pg_available_extensions where name = 'timescaledb') then
    begin
      create extension if not exists timescaledb;
    exception when insufficient_privilege then
      raise notice 'TimescaleDB is there, but % may not create the extension', current_user;
    end;
  end if;
  if wish <> 'off' then
    select extversion into version from pg_extension where extname = 'timescaledb';
  end if;
  if wish = 'require' and version is null then
    raise exception 'TimescaleDB is required by tracker.timescale, but this server does not have it';
  end if;
  if version is not null and to_regproc('add_columnstore_policy') is null
     and current_setting('timescaledb.license', true) = 'timescale' then
    raise exception 'TimescaleDB % is too old: update it to 2.18 or newer, or set tracker.timescale to off', version;
  end if;

  if version is null then
    create index prints_traded_at on prints using brin (traded_at);
  else
    execute $q$select create_hypertable('prints', by_range('traded_at', interval '1 day'),
                                        create_default_indexes => false)$q$;
  end if;
  if version is not null and current_setting('timescaledb.license', true) = 'timescale' then
    execute $q$alter table prints set (timescaledb.enable_columnstore, timescaledb.segmentby = '',
                                       timescaledb.orderby = 'asset_key, traded_at')$q$;
    execute $q$call add_columnstore_policy('prints', after => interval '2 days')$q$;
    execute $q$create materialized view candles_1m
               with (timescaledb.continuous, timescaledb.materialized_only = false) as
               select asset_key, time_bucket(interval '1 minute', traded_at) as bucket,
                      first(price, traded_at) as open, max(price) as high, min(price) as low,
                      last(price, traded_at) as close, sum(size) as volume, count(*) as trades
               from prints group by 1, 2 with no data$q$;
    execute $q$select add_continuous_aggregate_policy('candles_1m', start_offset => interval '3 days',
                      end_offset => interval '2 minutes', schedule_interval => interval '1 minute')$q$;
  else
    create view candles_1m as
    select asset_key, date_bin(interval '1 minute', traded_at, timestamptz '2000-01-01 00:00:00+00') as bucket,
           (array_agg(price order by traded_at))[1] as open, max(price) as high, min(price) as low,
           (array_agg(price order by traded_at desc))[1] as close, sum(size) as volume, count(*) as trades
    from prints group by 1, 2;
  end if;
end
$timescale$;


-- 0003_create_resolutions.sql
-- Why: verdicts and their evidence. A recorded verdict is never changed: what
--      contradicts it becomes a row of resolution_conflicts. The trigger refuses
--      UPDATE, DELETE and TRUNCATE, whoever asks; an INSERT that meets an
--      existing verdict is left out (ON CONFLICT DO NOTHING).
-- Locks: none that matter, the tables are new. Takes: milliseconds.
create table resolutions (
  condition_id     text primary key,
  kind             text not null check (kind in ('winner', 'split')),
  winning_token_id text check ((winning_token_id is not null) = (kind = 'winner')),
  winning_outcome  text check ((winning_outcome is not null) = (kind = 'winner')),
  payouts          numeric[] not null,          -- in outcome order, sum 1
  resolved_at      timestamptz not null,
  recorded_at      timestamptz not null default now(),
  sources          text[] not null              -- who agreed
);

create table resolution_observations (
  condition_id text not null,
  source       text not null,
  observed_at  timestamptz not null,
  verdict      text not null,       -- 'winner <token id>', 'split', 'other payouts' or 'not final'
  reason       text not null,       -- why it is not final; empty when it is
  payouts      jsonb,               -- [[token id, payout], …] when final
  payload      jsonb not null,      -- what the source said; a JSON string when it was not JSON
  recorded_at  timestamptz not null default now(),
  unique (condition_id, source, observed_at)
);

create table resolution_conflicts (
  condition_id text not null,
  detected_at  timestamptz not null,
  recorded     text not null,
  observed     text not null,
  source       text not null,
  primary key (condition_id, source, detected_at)
);
-- The same contradiction found again, after a restart say, is not a new one.
create unique index resolution_conflicts_once
  on resolution_conflicts (condition_id, source, md5(recorded), md5(observed));

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on resolutions
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on resolution_observations
  for each statement execute function refuse_change();


-- 0004_create_progress.sql
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


-- 0005_create_coverage.sql
-- Why: coverage, not gaps, is recorded. "No trades" and "not listened" are
--      different answers, and a crash must make a gap without anyone's help.
--
-- What is kept (times are told in the time of the exchange where it tells one):
--   process_life  one row a start of the tracker. alive_at only grows.
--   epochs        one row a life of a connection; its number is the journal
--                 sequence of ListeningOpened. proven_until: data proves that
--                 everything until then was heard. It only grows.
--   listening     a token on an epoch, from its first `book`; open while
--                 until_at is NULL, and then it reaches to the epoch's proven_until.
--   wanted        when a token was to be listened to. Rows may overlap: they are united.
-- Every row remembers by which journal sequence it began and ended, and where
-- two facts would end the same thing the lower sequence wins. So facts may be
-- replayed, and may arrive out of order: the result is that of the journal's
-- order. A row whose beginning and end have the same sequence holds no time: it
-- is an end that arrived before its beginning, or had none.
--   * a start of the process ends every epoch of its journal with a lower number
--     that did not end itself: at its proven_until, as `process_down` (lost).
--   * the end of an epoch is written into its open listening rows too.
--
-- What is answered:
--   coverage       union over all connections and trackers of
--                  [from_at, until_at or proven_until).
--   coverage_gaps  (wanted within [from_time, to_time)) minus coverage, before
--                  the horizon. cause: why the listening that ended last before
--                  the gap did end, as one of never_confirmed disconnected frozen
--                  deaf process_down disk_full exchange_silent clock_step (any
--                  other reason counts as disconnected); never_confirmed when
--                  nothing was heard before it since the token is wanted. A wish
--                  that nobody ended ends when the market's verdict is recorded.
--   horizon        what is later is not known yet, so it is no gap. Of the
--                  trackers that want the token and are alive (told so less than
--                  60 s ago, and did not stop): the best proven_until of an open
--                  listening of it; if there is none, the latest alive_at. When
--                  no such tracker is alive: now.
--
-- Indexes: listening by token and end, so that a question about one day does not
--      read a year; partial index on open epochs, which a start has to end.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
create table process_life (
  journal_key integer not null references journals,
  start_seq   bigint not null,
  started_at  timestamptz not null,
  alive_at    timestamptz not null,
  stopped_at  timestamptz,          -- NULL: still running, or killed
  host        text not null,
  version     text not null,
  primary key (journal_key, start_seq)
);

create table epochs (
  journal_key  integer not null references journals,
  epoch        bigint not null,
  connection   text,                -- NULL while only marks of it have arrived
  leg          integer,
  opened_at    timestamptz,
  proven_until timestamptz,
  closed_at    timestamptz,
  closed_seq   bigint,
  lost         boolean not null default false,
  reason       text,
  primary key (journal_key, epoch)
);
create index epochs_open on epochs (journal_key, epoch) where closed_seq is null;

create table listening (
  journal_key   integer not null references journals,
  asset_key     integer not null,
  epoch         bigint not null,
  confirmed_seq bigint not null,
  released_seq  bigint,
  from_at       timestamptz not null,
  until_at      timestamptz,
  cause         text,
  primary key (journal_key, epoch, asset_key, confirmed_seq)
);
create index listening_by_end on listening (asset_key, until_at, released_seq);

create table wanted (
  journal_key  integer not null references journals,
  asset_key    integer not null,
  wanted_seq   bigint not null,
  unwanted_seq bigint,
  from_at      timestamptz not null,
  until_at     timestamptz,
  primary key (asset_key, journal_key, wanted_seq)
);

create view coverage as
select a.token_id,
       unnest(range_agg(tstzrange(l.from_at, greatest(l.from_at, coalesce(l.until_at, e.proven_until))))) as during
from listening l
join assets a using (asset_key)
left join epochs e using (journal_key, epoch)
group by a.token_id;

create function coverage_gaps(token_id text, from_time timestamptz, to_time timestamptz)
returns table (gap tstzrange, cause text)
language sql stable parallel safe
begin atomic
  with token as (
    select a.asset_key, r.recorded_at
    from assets a left join resolutions r using (condition_id)
    where a.token_id = coverage_gaps.token_id
  ), wish as (
    select unnest(range_agg(tstzrange(
             w.from_at, greatest(w.from_at, coalesce(w.until_at, token.recorded_at, 'infinity'))))) as span
    from token join wanted w using (asset_key)
  ), alive as (
    select life.journal_key, life.start_seq, life.alive_at
    from (select distinct w.journal_key from token join wanted w using (asset_key)) teller
    cross join lateral (select p.* from process_life p where p.journal_key = teller.journal_key
                        order by p.start_seq desc limit 1) life
    where life.stopped_at is null and life.alive_at > now() - interval '60 seconds'
  ), open as (
    select greatest(l.from_at, e.proven_until) as until_at,
           coalesce(e.reason, case when alive.journal_key is null then 'process_down' end) as cause,
           l.from_at, l.confirmed_seq as seq, e.closed_seq is null and alive.journal_key is not null as pending
    from token join listening l using (asset_key)
    left join epochs e using (journal_key, epoch)
    left join alive on alive.journal_key = l.journal_key and alive.start_seq < l.epoch
    where l.until_at is null
  ), horizon as (
    select coalesce((select max(until_at) from open where pending), (select max(alive_at) from alive), now()) as at
  ), heard as (
    select coalesce(range_agg(tstzrange(h.from_at, h.until_at)), '{}'::tstzmultirange) as spans
    from (select from_at, until_at from open
          union all
          select l.from_at, l.until_at from token join listening l using (asset_key)
          where l.until_at > coverage_gaps.from_time and l.from_at < coverage_gaps.to_time) h
  )
  select missing.gap,
         case when last.until_at is null then 'never_confirmed'
              when last.cause in ('never_confirmed', 'frozen', 'deaf', 'process_down', 'disk_full',
                                  'exchange_silent', 'clock_step') then last.cause
              else 'disconnected' end
  from wish
  cross join horizon
  cross join heard
  cross join lateral unnest(
    tstzmultirange(wish.span * tstzrange(
      coverage_gaps.from_time,
      greatest(coverage_gaps.from_time, least(coverage_gaps.to_time, horizon.at)))) - heard.spans) as missing (gap)
  left join lateral (
    select ends.until_at, ends.cause
    from ((select l.until_at, l.cause, l.released_seq as seq
           from listening l
           where l.asset_key = (select token.asset_key from token)    -- a constant: one step in the index
             and l.until_at <= lower(missing.gap) and l.until_at >= lower(wish.span)
             and l.confirmed_seq < l.released_seq
           order by l.until_at desc, l.released_seq desc limit 1)
          union all
          (select open.until_at, open.cause, open.seq from open
           where open.until_at <= lower(missing.gap) and open.until_at >= lower(wish.span))) ends
    order by ends.until_at desc, ends.seq desc limit 1) last on true
  order by missing.gap;
end;


-- 0006_create_unresolved_markets.sql
-- Why: who asks "why is there no verdict?" gets one row a market. Transitions of
--      a market stand in resolution_observations under the source `tracker`; the
--      view shows the last one beside the last word of every source. The indexes
--      let verdicts of a stretch of time be found for another look at them.
-- Locks: SHARE on resolutions and resolution_observations (writers wait while the
--      indexes are built). Takes: about 2 s a million rows.
create index resolutions_recorded_at on resolutions (recorded_at);
create index resolution_observations_recorded_at on resolution_observations (recorded_at);

create view unresolved_markets as
select m.condition_id,
       case when m.end_date <= now() then m.end_date else stands.observed_at end as ended_at,
       coalesce(stands.verdict, 'ended') as state,
       coalesce(said.words, 'not asked yet') as reason,
       said.observed_at as last_observed_at
from markets m
left join lateral (
  select o.verdict, o.observed_at from resolution_observations o
  where o.condition_id = m.condition_id and o.source = 'tracker'
  order by o.observed_at desc limit 1) stands on true
left join lateral (
  select string_agg(last.source || ': ' || coalesce(nullif(last.reason, ''), last.verdict), '; ' order by last.source)
           as words,
         max(last.observed_at) as observed_at
  from (select distinct on (o.source) o.source, o.verdict, o.reason, o.observed_at
        from resolution_observations o
        where o.condition_id = m.condition_id and o.source <> 'tracker'
        order by o.source, o.observed_at desc) last) said on true
where (m.closed or m.end_date <= now() or stands.verdict <> 'open')
  and not exists (select from resolutions r where r.condition_id = m.condition_id);

insert into "schema_migrations" overriding system value select * from json_populate_recordset(null::"schema_migrations", '[{"name":"0001_create_catalogue.sql","checksum":"0cd8eb1dcfb27dd68973c56890f57f6f06c2170fd7adc5d136bf3de24a347954","applied_at":"2026-11-22T10:52:24.258284+00:00"}, 
 {"name":"0002_create_prints.sql","checksum":"58b7110b587dde0353b9e723565927349b689e1335b3950f1f809db706938d6a","applied_at":"2026-11-22T10:52:24.27159+00:00"}, 
 {"name":"0003_create_resolutions.sql","checksum":"920b58ab8bed50b660fd95ede096f3942a81c7c7c8930844512abd0dfbcdbae6","applied_at":"2026-11-22T10:52:24.286323+00:00"}, 
 {"name":"0004_create_progress.sql","checksum":"a7d5a7cc2989d08a94049c24a8ccacb46b124aa59215b0a8d2e7bce78b5e72b3","applied_at":"2026-11-22T10:52:24.309839+00:00"}, 
 {"name":"0005_create_coverage.sql","checksum":"4004016156bb8aa35e6b804820fcc066ade81647402f5572f3edd1c9a48e3bcb","applied_at":"2026-11-22T10:52:24.325771+00:00"}, 
 {"name":"0006_create_unresolved_markets.sql","checksum":"776e444cbb9c0b58a2d4f703a7f5f3cf6b1451cd9c883750515c41fa2ca39184","applied_at":"2026-11-22T10:52:24.349951+00:00"}]');
insert into "assets" overriding system value select * from json_populate_recordset(null::"assets", '[{"asset_key":1,"token_id":"11111111111111111111111111111111111111111111111111111111111111111111111111111","condition_id":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","outcome":"Yes","outcome_index":0}, 
 {"asset_key":2,"token_id":"222222222222222222222222222222222222222222222222222222222222222222222222222222","condition_id":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","outcome":"No","outcome_index":1}]');
insert into "markets" overriding system value select * from json_populate_recordset(null::"markets", '[{"condition_id":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","question":"Will it rain?","slug":"will-it-rain","gamma_id":null,"end_date":null,"started_at":null,"closed":false,"active":true,"neg_risk":false,"version":"v1","volume":null,"tags":[],"first_seen_at":"2026-11-22T10:52:24.373518+00:00","updated_at":"2026-11-22T10:52:24.373518+00:00"}]');
insert into "prints" overriding system value select * from json_populate_recordset(null::"prints", '[{"traded_at":"2026-03-01T12:00:01+00:00","received_at":"2026-03-01T12:00:01.005+00:00","print_hash":-6579113934874622705,"asset_key":1,"fee_rate_bps":0,"occurrence":1,"side":"BUY","price":0.330,"size":10.820819,"transaction_hash":"\\x5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f","trade_id":null,"extra":null}, 
 {"traded_at":"2026-03-01T12:00:02+00:00","received_at":"2026-03-01T12:00:02.005+00:00","print_hash":-6579113934874622705,"asset_key":2,"fee_rate_bps":0,"occurrence":1,"side":"BUY","price":0.330,"size":10.820819,"transaction_hash":"\\x5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f","trade_id":null,"extra":null}]');
insert into "resolutions" overriding system value select * from json_populate_recordset(null::"resolutions", '[{"condition_id":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","kind":"winner","winning_token_id":"11111111111111111111111111111111111111111111111111111111111111111111111111111","winning_outcome":"Yes","payouts":[1,0],"resolved_at":"2026-03-01T12:00:00+00:00","recorded_at":"2026-11-22T10:52:24.373518+00:00","sources":["gamma","clob"]}]');
insert into "resolution_observations" overriding system value select * from json_populate_recordset(null::"resolution_observations", '[{"condition_id":"0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1","source":"gamma","observed_at":"2026-03-01T12:00:00+00:00","verdict":"winner 11111111111111111111111111111111111111111111111111111111111111111111111111111","reason":"","payouts":[["11111111111111111111111111111111111111111111111111111111111111111111111111111", "1"], ["222222222222222222222222222222222222222222222222222222222222222222222222222222", "0"]],"payload":{"closed": true},"recorded_at":"2026-11-22T10:52:24.373518+00:00"}]');
insert into "journals" overriding system value select * from json_populate_recordset(null::"journals", '[{"journal_key":1,"journal_id":"00000000-0000-0000-0000-000000000001","first_seen_at":"2026-11-22T10:52:24.368409+00:00"}]');
insert into "journal_progress" overriding system value select * from json_populate_recordset(null::"journal_progress", '[{"journal_key":1,"mark":20,"moved_at":"2026-11-22T10:52:24.373518+00:00"}]');
insert into "connection_events" overriding system value select * from json_populate_recordset(null::"connection_events", '[{"at":"2026-03-01T12:00:01+00:00","connection":"c","event":"opened","reason":"","journal_key":1}]');
insert into "rejected_messages" overriding system value select * from json_populate_recordset(null::"rejected_messages", '[{"received_at":"2026-03-01T12:00:01+00:00","connection":"c","reason":"r","payload":"\\x78","journal_key":1,"seq":2,"index":0}]');
insert into "process_life" overriding system value select * from json_populate_recordset(null::"process_life", '[{"journal_key":1,"start_seq":1,"started_at":"2026-03-01T12:00:00+00:00","alive_at":"2026-03-01T12:00:09+00:00","stopped_at":"2026-03-01T12:00:11+00:00","host":"h","version":"1"}]');
insert into "epochs" overriding system value select * from json_populate_recordset(null::"epochs", '[{"journal_key":1,"epoch":3,"connection":"leg0-0001","leg":0,"opened_at":"2026-03-01T12:00:01+00:00","proven_until":"2026-03-01T12:00:10+00:00","closed_at":"2026-03-01T12:00:10+00:00","closed_seq":9,"lost":false,"reason":"reset"}]');
insert into "listening" overriding system value select * from json_populate_recordset(null::"listening", '[{"journal_key":1,"asset_key":1,"epoch":3,"confirmed_seq":4,"released_seq":6,"from_at":"2026-03-01T12:00:02+00:00","until_at":"2026-03-01T12:00:09+00:00","cause":"released"}]');
insert into "wanted" overriding system value select * from json_populate_recordset(null::"wanted", '[{"journal_key":1,"asset_key":1,"wanted_seq":2,"unwanted_seq":null,"from_at":"2026-03-01T12:00:00+00:00","until_at":null}, 
 {"journal_key":1,"asset_key":2,"wanted_seq":2,"unwanted_seq":8,"from_at":"2026-03-01T12:00:00+00:00","until_at":"2026-03-01T12:00:10+00:00"}]');
select setval(pg_get_serial_sequence('assets', 'asset_key'), 1000);
select setval(pg_get_serial_sequence('journals', 'journal_key'), 1000);
