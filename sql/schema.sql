-- The whole schema on plain PostgreSQL, for reading: what the migrations build.
-- A test proves that both build the same database. Why things are as they are, and what TimescaleDB changes
-- (tracker.trades is a hypertable with a columnstore), stands at the heads of sql/migrations.
--
-- Schema `public` is for readers: assets, events, markets, market_history, trades, candles(),
-- trades_of_transaction(), resolutions, resolution_payouts, resolution_observations, resolution_confirmations,
-- resolution_conflicts, unresolved_markets, coverage, coverage_gaps(), connection_events, rejected_messages.
-- Schema `tracker` is the tracker's own.

create schema if not exists tracker;
create table if not exists tracker.schema_migrations (
  name       text primary key,
  checksum   text not null,              -- sha256 of the file, hexadecimal
  applied_at timestamptz not null default now(),
  previous_may_write boolean not null default false  -- versions without this file may go on writing
);

-- journals --------------------------------------------------------------

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

-- catalog ---------------------------------------------------------------

create table public.assets (
  asset_key     integer generated always as identity primary key,
  token_id      text not null unique,
  condition_id  text,
  outcome       text,
  outcome_index integer
);
create index assets_condition on public.assets (condition_id);

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

create table public.markets (
  condition_id       text primary key,
  question           text not null,
  slug               text not null,
  gamma_id           text,
  end_date           timestamptz,     -- when trading is planned to end
  started_at         timestamptz,
  closed             boolean not null,    -- trading ended; not that it resolved
  active             boolean not null,
  neg_risk           boolean not null,
  version            text not null,   -- v1 (CTF tokens) or v2 (positions)
  volume             numeric,         -- USDC, as last reported
  tags               text[] not null,
  event_id           text,
  neg_risk_market_id text,            -- of one group at most one resolves Yes
  group_title        text,
  game_start         timestamptz,
  closed_time        timestamptz,
  tick_size          numeric,
  fee_schedule       jsonb,
  description        text,
  first_seen_at      timestamptz not null default now(),
  updated_at         timestamptz not null default now()
);
create index markets_event on public.markets (event_id) where event_id is not null;
create index markets_neg_risk on public.markets (neg_risk_market_id) where neg_risk_market_id is not null;

create table public.market_history (
  condition_id text not null,
  known_at     timestamptz not null,
  changes      jsonb not null,        -- columns of public.markets and their new values
  primary key (condition_id, known_at)
);

create function tracker.keep_market_history() returns trigger language plpgsql
set search_path = pg_catalog set timezone = 'UTC' as $$
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

create function tracker.refuse_change() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on public.market_history
  for each statement execute function tracker.refuse_change();

-- Every condition that is known, from a listing or a trade, and has no resolution.
create table tracker.unresolved (
  condition_id text primary key
);

-- trades ----------------------------------------------------------------

create table tracker.trades (
  traded_at        timestamptz not null,
  received_at      timestamptz not null,
  trade_hash       bigint not null,
  epoch            bigint,
  sequence         bigint,
  asset_key        integer not null,
  fee_rate_bps     smallint,
  occurrence       smallint not null check (occurrence > 0),
  is_buy           boolean not null,    -- the taker's side
  price            numeric not null check (price > 0 and price <= 1),
  size             numeric not null check (size > 0 and size < 'Infinity'),
  transaction_hash bytea,
  trade_id         text,
  extra            jsonb
) partition by range (traded_at);
alter table tracker.trades add unique (traded_at, asset_key, trade_hash);
create index trades_asset on tracker.trades (asset_key);
create index trades_received_at on tracker.trades using brin (received_at) with (autosummarize = on);
create index trades_transaction on tracker.trades
  using brin (transaction_hash bytea_bloom_ops (n_distinct_per_range = -0.17))
  with (pages_per_range = 64, autosummarize = on);    -- two ranges to a page of the index

-- Makes the partition of a day, if it is not there. Attached and not created as a partition: that would wait for every
-- reader. With the rights of its owner, since a tracker that only writes may create no table.
create function tracker.add_trade_day(day date) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
  name text := 'trades_' || to_char(day, 'YYYY_MM_DD');
begin
  perform pg_advisory_xact_lock(7041776133);
  if to_regclass('tracker.' || name) is not null
     or (select relkind from pg_class where oid = 'tracker.trades'::regclass) <> 'p' then
    return;
  end if;
  execute format('create table tracker.%I (like tracker.trades including defaults including constraints)', name);
  execute format('alter table tracker.trades attach partition tracker.%I for values from (%L) to (%L)',
                 name, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
end
$$;

-- resolutions -----------------------------------------------------------

create table public.resolutions (
  condition_id     text primary key,
  kind             text not null check (kind in ('winner', 'split')),
  winning_token_id text check ((winning_token_id is not null) = (kind = 'winner')),
  winning_outcome  text check (winning_outcome is null or kind = 'winner'),    -- NULL, too: the name is disputed
  payouts          numeric[] not null,          -- in outcome order, sum 1
  resolved_at      timestamptz not null,
  recorded_at      timestamptz not null default now(),
  sources          text[] not null              -- who agreed
);

create table public.resolution_payouts (
  condition_id text not null,
  token_id     text not null,
  outcome      text,                -- its name then; NULL: the sources disagreed about it
  payout       numeric not null check (payout >= 0 and payout <= 1),
  primary key (condition_id, token_id)
);

create table public.resolution_confirmations (
  condition_id text not null,
  source       text not null,
  confirmed_at timestamptz not null,    -- when its answer was observed
  recorded_at  timestamptz not null default now(),
  primary key (condition_id, source)
);

create table public.resolution_observations (
  condition_id text not null,
  source       text not null,
  observed_at  timestamptz not null,
  verdict      text not null,       -- 'winner <token id>', 'split', 'other payouts' or 'not final'
  reason       text not null,       -- why it is not final; empty when it is
  payouts      jsonb,               -- [[token id, payout], …] when final
  payload      jsonb not null,      -- what the source said; a JSON string when it was not JSON
  recorded_at  timestamptz not null default now(),
  mapped_by    text[] not null default '{}',    -- other sources by which its tokens are known
  generated_at timestamptz,         -- when the answer was made; NULL: when it was observed
  naming       text not null default 'token id',    -- how it names the token that pays
  names        jsonb,               -- {token id: name of its outcome}; NULL: it tells none
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
  cleared_by   text,                -- why it is none any more
  check ((cleared_by is null) = (cleared_at is null)),
  primary key (condition_id, kind, source, detected_at)
);
-- An open contradiction is one row, told from either side and by any source.
create unique index resolution_conflicts_open
  on public.resolution_conflicts (condition_id, kind, least(md5(recorded), md5(observed)), greatest(md5(recorded), md5(observed)))
  where cleared_at is null;

create trigger append_only before update or delete or truncate on public.resolutions
  for each statement execute function tracker.refuse_change();
create trigger append_only before update or delete or truncate on public.resolution_observations
  for each statement execute function tracker.refuse_change();
create trigger append_only before update or delete or truncate on public.resolution_payouts
  for each statement execute function tracker.refuse_change();
create trigger append_only before update or delete or truncate on public.resolution_confirmations
  for each statement execute function tracker.refuse_change();
create trigger append_only before delete or truncate on public.resolution_conflicts
  for each statement execute function tracker.refuse_change();

create index resolutions_recorded_at on public.resolutions (recorded_at);
create index resolution_observations_recorded_at on public.resolution_observations (recorded_at);

-- coverage --------------------------------------------------------------

create table tracker.epochs (
  journal_key  integer not null references tracker.journals,
  epoch        bigint not null,
  connection   text,                -- NULL while only marks of it have arrived
  leg          integer,
  opened_at    timestamptz,
  proven_until timestamptz,
  closed_at    timestamptz,
  closed_seq   bigint,
  lost         boolean not null default false,
  reason       text,
  proven_at    timestamptz,         -- when proven_until was stored
  held         boolean not null default false,    -- a message in doubt keeps it from being settled
  primary key (journal_key, epoch)
);
create index epochs_open on tracker.epochs (journal_key, epoch) where closed_seq is null;
create index epochs_ended on tracker.epochs (journal_key, closed_seq) where closed_seq is not null and not held;
create index epochs_held on tracker.epochs (journal_key, epoch) where held;

create table tracker.listening (
  journal_key   integer not null references tracker.journals,
  asset_key     integer not null,
  epoch         bigint not null,
  confirmed_seq bigint not null,
  released_seq  bigint,
  from_at       timestamptz not null,
  until_at      timestamptz,
  cause         text,
  primary key (journal_key, epoch, asset_key, confirmed_seq)
);
create index listening_released on tracker.listening (journal_key, released_seq) where released_seq is not null;
create index listening_by_token on tracker.listening (asset_key);

create table tracker.coverage_ranges (
  journal_key   integer not null references tracker.journals,
  asset_key     integer not null,
  from_at       timestamptz not null,
  until_at      timestamptz not null check (until_at >= from_at),
  known_at      timestamptz not null,
  epoch         bigint not null,
  confirmed_seq bigint not null,
  released_seq  bigint not null,
  cause         text not null,
  primary key (asset_key, journal_key, from_at)
) with (fillfactor = 85);;

-- Where listening ends as far as it is known: by its release, or by the end of its epoch when that comes first.
create view tracker.listening_now as
select l.journal_key, l.asset_key, l.epoch, l.confirmed_seq, l.from_at,
       case when ends.with_epoch then e.closed_seq else l.released_seq end as released_seq,
       greatest(l.from_at, case when ends.with_epoch or l.until_at is null then e.proven_until else l.until_at end)
         as until_at,
       case when ends.with_epoch then e.reason else l.cause end as cause,
       e.closed_seq is null and l.until_at is null as is_open,
       e.proven_at
from tracker.listening l
left join tracker.epochs e using (journal_key, epoch)
cross join lateral (
  select coalesce(e.closed_seq <= coalesce(l.released_seq, e.closed_seq) and l.confirmed_seq is distinct from l.released_seq,
                  false) as with_epoch) ends;

create table tracker.wanted (
  journal_key  integer not null references tracker.journals,
  asset_key    integer not null,
  wanted_seq   bigint not null,
  unwanted_seq bigint,
  from_at      timestamptz not null,
  until_at     timestamptz,
  primary key (asset_key, journal_key, wanted_seq)
);
create index wanted_open on tracker.wanted (journal_key, asset_key) where until_at is null;

-- what readers ask ------------------------------------------------------

create view public.trades as
select t.traded_at, t.received_at, a.condition_id, a.token_id, a.outcome, t.price, t.size,
       case when t.is_buy then 'BUY' else 'SELL' end as side, t.fee_rate_bps::integer as fee_rate_bps,
       '0x' || encode(t.transaction_hash, 'hex') as transaction_hash, t.occurrence::integer as occurrence,
       t.epoch, t.sequence, t.trade_id, t.extra
from tracker.trades t join public.assets a using (asset_key);

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

create view public.coverage as
select g.token_id, during,
       (select max(part.known_at) from unnest(g.begins, g.knowns) as part (from_at, known_at)
        where part.from_at <@ during) as known_at
from (
  select a.token_id, range_agg(tstzrange(p.from_at, p.until_at)) as spans,
         array_agg(p.from_at) as begins, array_agg(p.known_at) as knowns
  from public.assets a
  cross join lateral (    -- by token in either table, so that a question about one reads no other
    select r.from_at, r.until_at, r.known_at from tracker.coverage_ranges r where r.asset_key = a.asset_key
    union all
    select n.from_at, n.until_at,
           case when n.proven_at > n.until_at + interval '10 minutes' then n.proven_at else n.from_at end
    from tracker.listening_now n where n.asset_key = a.asset_key) p
  group by a.token_id) g
cross join lateral unnest(g.spans) as during;

create function public.coverage_gaps(token_id text, from_time timestamptz, to_time timestamptz)
returns table (gap tstzrange, cause text)
language sql stable parallel safe
begin atomic
  with asked as (
    select coalesce(coverage_gaps.from_time, '-infinity') as from_at, coalesce(coverage_gaps.to_time, 'infinity') as to_at
  ), token as (
    select a.asset_key, greatest(r.recorded_at, r.resolved_at) as resolved_at
    from public.assets a left join public.resolutions r using (condition_id)
    where a.token_id = coverage_gaps.token_id
  ), life as (
    select last.journal_key, last.start_seq, last.alive_at, coalesce(last.stopped_at, last.alive_at) as seen_at,
           last.stopped_at is null and last.alive_at > now() - interval '60 seconds' as is_alive,
           least(j.retired_at, case when exists (
             select from tracker.process_life p where p.journal_key <> j.journal_key and coalesce(p.stopped_at, p.alive_at)
               > coalesce(last.stopped_at, last.alive_at) + interval '24 hours')
             then coalesce(last.stopped_at, last.alive_at) + interval '24 hours' end) as retired_at
    from (select distinct w.journal_key from token join tracker.wanted w using (asset_key)) teller
    join tracker.journals j using (journal_key)
    cross join lateral (select p.* from tracker.process_life p where p.journal_key = teller.journal_key
                        order by p.start_seq desc limit 1) last
  ), recent as (
    select l.* from token join tracker.listening_now l using (asset_key)
  ), wish as (
    select unnest(range_agg(
             tstzmultirange(tstzrange(w.from_at, greatest(
               w.from_at, least(coalesce(w.until_at, token.resolved_at, 'infinity'), own.retired_at),
               listened_to.until_at)))
             - coalesce(heir.spans, '{}'))) as span
    from token join tracker.wanted w using (asset_key)
    left join life own on own.journal_key = w.journal_key
    left join lateral (    -- the last end of a listening that began while it was wanted
      select max(ends.until_at) as until_at
      from (select l.until_at from recent l
            where l.journal_key = w.journal_key and not l.is_open
              and l.confirmed_seq > w.wanted_seq and l.confirmed_seq < w.unwanted_seq
            union all
            (select r.until_at from tracker.coverage_ranges r
             where r.asset_key = w.asset_key and r.journal_key = w.journal_key
               and w.unwanted_seq is not null
               and r.confirmed_seq > w.wanted_seq and r.confirmed_seq < w.unwanted_seq
             order by r.from_at desc limit 1)) ends) listened_to on true
    left join lateral (
      select last.epoch
      from (select l.epoch, case when l.is_open then 'infinity' else l.until_at end as until_at from recent l
            where l.journal_key = w.journal_key
            union all
            (select r.epoch, r.until_at from tracker.coverage_ranges r
             where r.asset_key = w.asset_key and r.journal_key = w.journal_key
             order by r.from_at desc limit 1)) last
      order by last.until_at desc, last.epoch desc limit 1) listened on true
    left join lateral (    -- the run of the process that listened to the token last
      select p.start_seq, coalesce(p.stopped_at, p.alive_at) as seen_at from tracker.process_life p
      where p.journal_key = w.journal_key and p.start_seq < greatest(w.wanted_seq, listened.epoch)
        and (p.stopped_at is not null or p.alive_at <= now() - interval '60 seconds')
        and not exists (select from tracker.process_life later
                        where later.journal_key = w.journal_key and later.start_seq > p.start_seq
                          and later.start_seq < greatest(w.wanted_seq, listened.epoch))) gone on true
    left join lateral (
      select p.started_at from tracker.process_life p
      where p.journal_key = w.journal_key and p.start_seq > gone.start_seq
      order by p.start_seq limit 1) back on true
    left join lateral (    -- what the others decided about the token while this one was away
      select range_agg(decided.during * tstzrange(gone.seen_at, greatest(gone.seen_at,
               case when w.until_at < back.started_at + interval '5 minutes' and lower(decided.during) < back.started_at
                    then 'infinity' else coalesce(back.started_at, 'infinity') end))) as spans
      from life
      cross join lateral (
        select unnest(range_agg(part.during)) as during
        from (select tstzrange(begins.at, greatest(begins.at, least(other.until_at, case
                       when run.start_seq = life.start_seq and life.is_alive then 'infinity'
                       else coalesce(run.stopped_at, run.alive_at) end))) as during    -- it ran and wanted it
              from tracker.wanted other
              join tracker.process_life run on run.journal_key = other.journal_key
              cross join lateral (select greatest(other.from_at, run.started_at) as at) begins
              where other.asset_key = w.asset_key and other.journal_key = life.journal_key
                and (other.until_at is null or other.until_at > other.from_at)
              union all
              select tstzrange(other.until_at, greatest(other.until_at, coalesce(    -- it had let it go
                       (select min(again.from_at) from tracker.wanted again
                        where again.asset_key = other.asset_key and again.journal_key = other.journal_key
                          and again.wanted_seq > other.wanted_seq
                          and (again.until_at is null or again.until_at > again.from_at)), 'infinity')))
              from tracker.wanted other
              where other.asset_key = w.asset_key and other.journal_key = life.journal_key
                and other.until_at > other.from_at and (back.started_at is null or other.until_at > gone.seen_at)
             ) part) decided
      where gone.start_seq is not null and life.journal_key <> w.journal_key
        and (life.is_alive or life.seen_at > gone.seen_at)) heir on true
  ), alive as (
    select life.journal_key, life.start_seq, life.alive_at from life where life.is_alive
  ), ending as (    -- listening that is not settled, with its end as it is known now
    select l.from_at, l.until_at,
           case when l.is_open then case when alive.journal_key is null then 'process_down' end else l.cause end as cause,
           case when l.is_open then l.confirmed_seq else l.released_seq end as seq,
           l.is_open and alive.journal_key is not null as pending,
           l.is_open or l.confirmed_seq <> l.released_seq as is_an_end
    from recent l
    left join alive on alive.journal_key = l.journal_key and alive.start_seq < l.epoch
  ), exchange as (
    select greatest(
             (select max(until_at) from recent where not is_open),
             (select max(r.until_at) from life cross join lateral (
                select r.until_at from tracker.coverage_ranges r
                where r.asset_key = (select token.asset_key from token) and r.journal_key = life.journal_key
                order by r.from_at desc limit 1) r),
             (select max(newest.proven_until)
              from life cross join lateral (select e.proven_until from tracker.epochs e where e.journal_key = life.journal_key
                                            order by e.epoch desc limit 16) newest),
             (select max(newest.proven_until)
              from life cross join lateral (select p.proven_until from tracker.process_life p
                                            where p.journal_key = life.journal_key
                                            order by p.start_seq desc limit 16) newest)) as at
  ), horizon as (
    select coalesce((select max(until_at) from ending where pending),
                    greatest(coalesce((select max(alive_at) from alive), now()), (select at from exchange))) as at
  ), heard as (
    select coalesce(range_agg(tstzrange(h.from_at, h.until_at)), '{}'::tstzmultirange) as spans
    from (select from_at, until_at from ending
          union all
          select r.from_at, r.until_at
          from asked
          cross join life
          cross join lateral (    -- from the range that reaches into the time that is asked about
            select coalesce((select b.from_at from tracker.coverage_ranges b
                             where b.asset_key = (select token.asset_key from token)
                               and b.journal_key = life.journal_key and b.from_at <= asked.from_at
                             order by b.from_at desc limit 1), asked.from_at) as at) first
          join tracker.coverage_ranges r on r.asset_key = (select token.asset_key from token)
            and r.journal_key = life.journal_key and r.from_at >= first.at and r.from_at < asked.to_at) h
  )
  select missing.gap,
         case when last.until_at is null then 'never_confirmed'
              when last.cause in ('never_confirmed', 'frozen', 'deaf', 'process_down', 'disk_full',
                                  'exchange_silent', 'clock_step', 'rejected', 'not_discovered') then last.cause
              else 'disconnected' end
  from wish
  cross join asked
  cross join horizon
  cross join heard
  cross join lateral unnest(
    tstzmultirange(wish.span * tstzrange(
      asked.from_at, greatest(asked.from_at, least(asked.to_at, horizon.at)))) - heard.spans) as missing (gap)
  left join lateral (
    select ends.until_at, ends.cause
    from (select e.until_at, e.cause, e.seq from ending e
          where e.is_an_end and e.until_at <= lower(missing.gap) and e.until_at >= lower(wish.span)
          union all
          select r.until_at, r.cause, r.released_seq
          from life cross join lateral (
            select r.until_at, r.cause, r.released_seq from tracker.coverage_ranges r
            where r.asset_key = (select token.asset_key from token) and r.journal_key = life.journal_key
              and r.from_at <= lower(missing.gap)
            order by r.from_at desc limit 1) r
          where r.until_at <= lower(missing.gap) and r.until_at >= lower(wish.span)) ends
    order by ends.until_at desc, ends.seq desc limit 1) last on true
  order by missing.gap;
end;

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
      and t.traded_at >= date_bin(candles.width, candles.from_time, timestamptz '2000-01-01 00:00:00+00')
      and t.traded_at < candles.to_time
    group by 1
  ), covered as (
    select coalesce(range_agg(c.during), '{}') as spans from public.coverage c where c.token_id = candles.token_id
  )
  select series.at, traded.open, traded.high, traded.low, traded.close, coalesce(traded.volume, 0),
         coalesce(traded.trades, 0), covered.spans @> tstzrange(series.at, series.at + candles.width)
  from generate_series(date_bin(candles.width, candles.from_time, timestamptz '2000-01-01 00:00:00+00'),
                       candles.to_time - interval '1 microsecond', candles.width) as series (at)
  cross join covered
  left join traded on traded.bucket = series.at
  order by series.at;
end;

create function public.trades_of_transaction(
  transaction_hash text, from_time timestamptz default now() - interval '7 days', to_time timestamptz default 'infinity')
returns setof public.trades
language plpgsql stable parallel safe security definer
set search_path = pg_catalog
set enable_seqscan = off    -- the planner cannot know that a bloom filter leaves out nearly all of a day
as $$
begin
  return query execute    -- planned for these times: only their days are looked into
    'with found as materialized (    -- first, and not for each token there is
       select * from tracker.trades f
       where f.transaction_hash = decode(substr($1, 3), ''hex'') and f.traded_at >= $2 and f.traded_at < $3
     )
     select f.traded_at, f.received_at, a.condition_id, a.token_id, a.outcome, f.price, f.size,
            case when f.is_buy then ''BUY'' else ''SELL'' end, f.fee_rate_bps::integer,
            ''0x'' || encode(f.transaction_hash, ''hex''), f.occurrence::integer, f.epoch, f.sequence, f.trade_id, f.extra
     from found f join public.assets a using (asset_key)
     order by f.traded_at, f.received_at, f.sequence'
    using trades_of_transaction.transaction_hash, trades_of_transaction.from_time, trades_of_transaction.to_time;
end
$$;

-- comments --------------------------------------------------------------

comment on view public.trades is
  'One row for each trade, stored once however often it was received. Fast for a token and a time span, for a time span of hours, and for the newest trades (order by traded_at desc limit 10). A question without a time reads every day.';
comment on column public.trades.traded_at is
  'exchange time, to the millisecond';
comment on column public.trades.received_at is
  'when the first tracker that stored it read its bytes, our clock, to the microsecond; a tracker with more than 300 connections reads them in rounds, up to 0.2 s after they arrived';
comment on column public.trades.condition_id is
  'the market, 0x…';
comment on column public.trades.token_id is
  'the outcome''s token, up to 78 digits';
comment on column public.trades.outcome is
  'its name, such as Yes; NULL until the catalog knows the token';
comment on column public.trades.price is
  'USDC a share, above 0 and at most 1';
comment on column public.trades.size is
  'shares, above 0';
comment on column public.trades.side is
  'the taker''s: BUY or SELL';
comment on column public.trades.fee_rate_bps is
  'fee rate that the feed reported, basis points; NULL when it reported none (one that cannot be is in extra)';
comment on column public.trades.transaction_hash is
  '0x… of the Polygon transaction; NULL when the feed reported none. Several trades may share one';
comment on column public.trades.occurrence is
  '1, or k for the k-th identical trade: see Identical trades';
comment on column public.trades.epoch is
  'the run of a connection in which it was received, unique in the database; NULL: not known, as for a trade that was taken in later';
comment on column public.trades.sequence is
  'its order of receipt within that epoch, so that trades with the same millisecond can be replayed; it says nothing about trades of another epoch. NULL likewise';
comment on column public.trades.trade_id is
  'NULL: the feed has no trade id today';
comment on column public.trades.extra is
  'fields of the trade that this version does not know; NULL when there are none';
comment on function public.candles(text, timestamptz, timestamptz, interval) is
  'A function: candles(token_id, from_time, to_time, width), with a width of one minute unless another one is given. It reads the trades of this token alone and returns every bucket from that which holds from_time to to_time, also those without a trade.';
comment on function public.trades_of_transaction(text, timestamptz, timestamptz) is
  'A function: trades_of_transaction(transaction_hash, from_time, to_time). It returns the rows of trades with this transaction in a time span; without one, those of the last 7 days. There is no index of transactions over all days: the shorter the span, the faster it is.';
comment on table public.markets is
  'One row for each market, as last reported: all but the first and the last two columns are overwritten, though never by nothing: what a later report leaves out stays. What was known earlier is in market_history. A market that is known from the feed''s announcement alone has most of them only when Gamma lists it.';
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
  'one of several markets of which exactly one resolves Yes';
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
  'when the tracker first stored it';
comment on column public.markets.updated_at is
  'when the row last changed';
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
  'What was known of a market when: one row when it was first stored, with all that was known, and one for each later change, with what changed. Rows are only added. The market as of a time is made of its rows until then, the last value of each column: see A market as it was known. The order of outcome_index never changes, so assets has no history; volumes have none either.';
comment on column public.market_history.condition_id is
  'the market';
comment on column public.market_history.known_at is
  'when the tracker stored it; later than it became true';
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
  'its name, such as Yes; NULL until the catalog knows the token. A later listing with another name does not change it and opens a contradiction; a resolution whose sources prove another name does';
comment on column public.assets.outcome_index is
  '0 or 1, NULL likewise: its place among the outcomes when it was first listed, which never changes';
comment on table public.resolutions is
  'Final outcomes: agreed by independent sources, never changed (the database does not allow it). A market that is not here has no resolution. How they are decided: Resolutions.';
comment on column public.resolutions.condition_id is
  'the market';
comment on column public.resolutions.kind is
  'winner, or split when each outcome pays the same';
comment on column public.resolutions.winning_token_id is
  'the token that pays 1; NULL for a split';
comment on column public.resolutions.winning_outcome is
  'its name; NULL for a split, and when no two sources told it alike';
comment on column public.resolutions.payouts is
  'USDC a share in outcome order as it was then, sum 1; by token they are in resolution_payouts';
comment on column public.resolutions.resolved_at is
  'when it resolved, as the sources say';
comment on column public.resolutions.recorded_at is
  'when the resolution was recorded: before that nobody who reads this table knew it';
comment on column public.resolutions.sources is
  'which sources agreed';
comment on table public.resolution_payouts is
  'What each token of a resolved market pays, recorded with the resolution and never changed. This is the label: join it by token_id.';
comment on column public.resolution_payouts.condition_id is
  'the market';
comment on column public.resolution_payouts.token_id is
  'the token';
comment on column public.resolution_payouts.outcome is
  'its name when the resolution was recorded; NULL when no two sources told it alike, or (for resolutions recorded before this table was made) when it is not certain any more';
comment on column public.resolution_payouts.payout is
  'USDC a share';
comment on table public.resolution_confirmations is
  'Sources that agree with a recorded resolution and were not among those that decided it. Rows are only added.';
comment on column public.resolution_confirmations.condition_id is
  'the market';
comment on column public.resolution_confirmations.source is
  'which source agrees';
comment on column public.resolution_confirmations.confirmed_at is
  'when it said so';
comment on column public.resolution_confirmations.recorded_at is
  'when the row was written';
comment on table public.resolution_observations is
  'The evidence: each time a source said something new about a market, and each step of the market on its way to a resolution. Rows are only added. What was known at a time are the last rows of each source before it.';
comment on column public.resolution_observations.condition_id is
  'the market';
comment on column public.resolution_observations.source is
  'gamma, clob, data or chain; tracker for a step of the market';
comment on column public.resolution_observations.observed_at is
  'when it said so';
comment on column public.resolution_observations.verdict is
  'winner <token id>, split, other payouts or not final; for tracker the state of the market';
comment on column public.resolution_observations.reason is
  'why it is not final, empty when it is; for tracker what led to the state';
comment on column public.resolution_observations.payouts is
  '[[token id, payout], …] when final, else NULL';
comment on column public.resolution_observations.payload is
  'what the source said, whole';
comment on column public.resolution_observations.recorded_at is
  'when the row was written';
comment on column public.resolution_observations.mapped_by is
  'the other sources whose word it takes for which token is meant: {gamma} for a winner that the Data API names by slot in a V2 market, else empty';
comment on column public.resolution_observations.generated_at is
  'when the source made the answer, if a cache had kept it; NULL: when it was observed';
comment on column public.resolution_observations.naming is
  'how it names the token that pays: token id, own list (by a place in a list of the same answer), computed slot or listed slot (of the contract), both alike. token id in rows from before this was kept; means nothing when payouts is NULL';
comment on column public.resolution_observations.names is
  'the name of each token''s outcome as this answer tells it, {token id: name}; NULL when it tells none';
comment on table public.resolution_conflicts is
  'Contradictions to a recorded resolution, or between sources; and listings that tell other names of tokens than before. What is recorded stays. A contradiction is open until cleared_at, and one row while it is open, whoever repeats it and from whichever side; when it comes back later, that is a new row. Rows are never deleted. A person ends the open ones of a market with tracker --acknowledge.';
comment on column public.resolution_conflicts.condition_id is
  'the market';
comment on column public.resolution_conflicts.detected_at is
  'when it was seen';
comment on column public.resolution_conflicts.recorded is
  'what is recorded, or what the other source says';
comment on column public.resolution_conflicts.observed is
  'what contradicts it';
comment on column public.resolution_conflicts.source is
  'which source says so; verdict for a resolution that another tracker sent';
comment on column public.resolution_conflicts.kind is
  'outcome; or mapping: which token has which name, or (index 0, index 1) which place among the outcomes';
comment on column public.resolution_conflicts.cleared_at is
  'when it ended; NULL: it is open';
comment on column public.resolution_conflicts.cleared_by is
  'why it ended, such as sources agree, or acknowledged: … with the reason that a person gave. In rows from before this was kept: resolved (the sources agreed later) or repeats an earlier row; NULL: it is open';
comment on view public.unresolved_markets is
  'Markets that should have an outcome (closed, past their end, or reported as ended) and have none recorded.';
comment on column public.unresolved_markets.condition_id is
  'the market';
comment on column public.unresolved_markets.ended_at is
  'when trading was planned to end; if that is still to come, when the market entered its state; may be NULL';
comment on column public.unresolved_markets.state is
  'the state of the market';
comment on column public.unresolved_markets.reason is
  'what each source said last, such as data: proposed; gamma: closed without status';
comment on column public.unresolved_markets.last_observed_at is
  'when a source last said something new; NULL before the first look';
comment on view public.coverage is
  'When listening to a token was proven, on any connection of any tracker. In exchange time.';
comment on column public.coverage.token_id is
  'the token';
comment on column public.coverage.during is
  'one range; those of a token do not overlap. A range goes on however often connections are replaced';
comment on column public.coverage.known_at is
  'from when on this was known: its beginning, or, when a part was stored more than ten minutes after it had ended (after an outage of the database), when that was. As of a time T a token was covered in during * tstzrange(NULL, T) of the rows with known_at <= T';
comment on function public.coverage_gaps(text, timestamptz, timestamptz) is
  'A function: coverage_gaps(token_id, from_time, to_time); a time that is NULL is no limit. It returns when the token was wanted and listening was not proven. What is not known yet (the last seconds of a running tracker) is no gap. The present is ours, or the last time of the exchange that is known when that is later: with a clock that is behind, gaps reach up to that. Time in which nobody wanted the token is no gap either: ask coverage. A token is wanted from the moment at which its market is chosen (or, if it could have been chosen earlier and was not known, from then on) until its resolution is stored, or until it has been closed for a day (TRACKER_CLOSED_SECONDS). When a tracker stopped or was killed and another one also wants the token, or wanted it, what the other one wants counts from then on: while it runs, and for good when it lets the token go. Time in which all that want the token are away is a gap. When the first one returns and listens to the token again, it has wanted it all the time; when it returns and does not, because the market has closed meanwhile, what the other one decided stands. A tracker that was alone, or whose successor went away, too, leaves a gap until one returns. When a tracker has not been seen for 24 hours and another one has been seen later, it wants nothing any more until it returns.';
comment on table public.connection_events is
  'What happened to connections, for looking back: of the last 90 days, and all marks of disputed trades.';
comment on column public.connection_events.at is
  'when, our clock';
comment on column public.connection_events.connection is
  'such as a-0001';
comment on column public.connection_events.event is
  'sent_twice and dated_apart (a disputed trade), connected, disconnected, reconnected, or failed: it could not be opened, or ended before it received anything, written once for each new reason';
comment on column public.connection_events.reason is
  'why a connection ends; of a disputed trade its token, milliseconds since 1970, occurrence, price and size, with blanks between';
comment on column public.connection_events.journal_key is
  'which tracker, a number of this database';
comment on table public.rejected_messages is
  'What was received and could not be used, verbatim. Everything that may be a trade is here: each event of a trade, and each event of another name with token, price, size and time. What a later version takes in stays here and has a taken_in_at.';
comment on column public.rejected_messages.received_at is
  'when its bytes arrived';
comment on column public.rejected_messages.connection is
  'on which connection; database: it could not hold a row; journal: a record that no connection told';
comment on column public.rejected_messages.reason is
  'one stable phrase, such as price out of range';
comment on column public.rejected_messages.payload is
  'the bytes as received; or, when the database could not hold a row, that row as JSON (a fact about coverage: its number in the journal and itself)';
comment on column public.rejected_messages.journal_key is
  'which tracker';
comment on column public.rejected_messages.seq is
  'where in its journal; NULL when the database could not hold it';
comment on column public.rejected_messages.index is
  'its place among those of that record, from 0; NULL likewise';
comment on column public.rejected_messages.message_key is
  'our number for it';
comment on column public.rejected_messages.epoch is
  'which run of that connection, a number of the journal; NULL when it came from none';
comment on column public.rejected_messages.occurrence is
  '1, or k for the k-th event with the same bytes on its connection: trades.occurrence of the trade in it, once a version understands it';
comment on column public.rejected_messages.doubt is
  'the token of the trade that it may be, * when that can be any; NULL when it is no trade';
comment on column public.rejected_messages.taken_in_at is
  'when a version that understands it stored its trades; NULL: not yet';
