-- The whole schema on plain PostgreSQL, for reading: what the migrations build.
-- A test proves that both build the same database. Why things are as they are,
-- and what TimescaleDB changes (prints is a hypertable with a columnstore,
-- candles_1m a continuous aggregate), stands in sql/migrations.
--
-- For readers: trades, candles_1m, markets, assets, resolutions,
-- resolution_payouts, resolution_observations, resolution_confirmations,
-- resolution_conflicts, unresolved_markets, coverage, coverage_gaps(),
-- connection_events, rejected_messages. The rest is the tracker's own.

create table if not exists schema_migrations (
  name       text primary key,
  checksum   text not null,              -- sha256 of the file, hexadecimal
  applied_at timestamptz not null default now(),
  previous_may_write boolean not null default false  -- versions without this file may go on writing
);

-- catalogue -------------------------------------------------------------

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

-- prints ----------------------------------------------------------------

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
create index prints_traded_at on prints using brin (traded_at);

create view candles_1m as
select asset_key, date_bin(interval '1 minute', traded_at, timestamptz '2000-01-01 00:00:00+00') as bucket,
       (array_agg(price order by traded_at))[1] as open, max(price) as high, min(price) as low,
       (array_agg(price order by traded_at desc))[1] as close, sum(size) as volume, count(*) as trades
from prints group by 1, 2;

-- resolutions -----------------------------------------------------------

create table resolutions (
  condition_id     text primary key,
  kind             text not null check (kind in ('winner', 'split')),
  winning_token_id text check ((winning_token_id is not null) = (kind = 'winner')),
  winning_outcome  text check (winning_outcome is null or kind = 'winner'),    -- NULL, too: the name is disputed
  payouts          numeric[] not null,          -- in outcome order, sum 1
  resolved_at      timestamptz not null,
  recorded_at      timestamptz not null default now(),
  sources          text[] not null              -- who agreed
);

create table resolution_payouts (
  condition_id text not null,
  token_id     text not null,
  outcome      text,                -- its name then; NULL: the sources disagreed about it
  payout       numeric not null check (payout >= 0 and payout <= 1),
  primary key (condition_id, token_id)
);

create table resolution_confirmations (
  condition_id text not null,
  source       text not null,
  confirmed_at timestamptz not null,    -- when its answer was observed
  recorded_at  timestamptz not null default now(),
  primary key (condition_id, source)
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
  mapped_by    text[] not null default '{}',    -- other sources by which its tokens are known
  generated_at timestamptz,         -- when the answer was made; NULL: when it was observed
  naming       text not null default 'token id',    -- how it names the token that pays
  names        jsonb,               -- {token id: name of its outcome}; NULL: it tells none
  unique (condition_id, source, observed_at)
);

create table resolution_conflicts (
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
  on resolution_conflicts (condition_id, kind, least(md5(recorded), md5(observed)), greatest(md5(recorded), md5(observed)))
  where cleared_at is null;

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on resolutions
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on resolution_observations
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on resolution_payouts
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on resolution_confirmations
  for each statement execute function refuse_change();
create trigger append_only before delete or truncate on resolution_conflicts
  for each statement execute function refuse_change();

create index resolutions_recorded_at on resolutions (recorded_at);
create index resolution_observations_recorded_at on resolution_observations (recorded_at);

-- Every condition that is known, from a listing or a trade, and has no resolution.
create table unresolved (
  condition_id text primary key
);

create view unresolved_markets as
select m.condition_id,
       case when m.end_date <= now() then m.end_date else stands.observed_at end as ended_at,
       coalesce(stands.verdict, 'ended') as state,
       coalesce(said.words, 'not asked yet') as reason,
       said.observed_at as last_observed_at
from unresolved u
join markets m using (condition_id)
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

-- progress --------------------------------------------------------------

create table journals (
  journal_key integer generated always as identity primary key,
  journal_id  uuid not null unique,
  first_seen_at timestamptz not null default now(),
  retired_at  timestamptz           -- when a person retired its tracker: since then it wants nothing
);

create table journal_progress (
  journal_key integer primary key references journals,
  mark        bigint not null,      -- lowest journal sequence that is not yet committed
  moved_at    timestamptz not null default now(),
  session     uuid                  -- the connection of a writer that stores this journal: no other one may commit
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
  message_key bigint generated always as identity primary key,
  epoch       bigint,                -- of its connection; NULL: it came from none
  occurrence  integer not null check (occurrence > 0),
  doubt       text,                  -- token of the trade that it may be, * for any; NULL: no trade
  taken_in_at timestamptz,           -- when its trades were stored; NULL: not understood yet
  unique (journal_key, seq, index)
);
create unique index rejected_messages_once
  on rejected_messages (journal_key, sha256(payload)) where seq is null;
create index rejected_messages_received_at on rejected_messages using brin (received_at);
create index rejected_messages_kept on rejected_messages (message_key) where taken_in_at is null;
create index rejected_messages_records on rejected_messages (journal_key, seq)
  where connection = 'journal' and taken_in_at is null;
create index rejected_messages_doubts on rejected_messages (journal_key, epoch, doubt, seq) where doubt is not null;

-- coverage --------------------------------------------------------------

create table process_life (
  journal_key integer not null references journals,
  start_seq   bigint not null,
  started_at  timestamptz not null,
  alive_at    timestamptz not null,
  stopped_at  timestamptz,          -- NULL: still running, or killed
  host        text not null,
  version     text not null,
  proven_until timestamptz,         -- the latest proof of its epochs that are settled
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
  proven_at    timestamptz,         -- when proven_until was stored
  held         boolean not null default false,    -- a message in doubt keeps it from being settled
  primary key (journal_key, epoch)
);
create index epochs_open on epochs (journal_key, epoch) where closed_seq is null;
create index epochs_ended on epochs (journal_key, closed_seq) where closed_seq is not null and not held;
create index epochs_held on epochs (journal_key, epoch) where held;

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
create index listening_released on listening (journal_key, released_seq) where released_seq is not null;
create index listening_by_token on listening (asset_key);

create table coverage_ranges (
  journal_key   integer not null references journals,
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
create view listening_now as
select l.journal_key, l.asset_key, l.epoch, l.confirmed_seq, l.from_at,
       case when ends.with_epoch then e.closed_seq else l.released_seq end as released_seq,
       greatest(l.from_at, case when ends.with_epoch or l.until_at is null then e.proven_until else l.until_at end)
         as until_at,
       case when ends.with_epoch then e.reason else l.cause end as cause,
       e.closed_seq is null and l.until_at is null as is_open,
       e.proven_at
from listening l
left join epochs e using (journal_key, epoch)
cross join lateral (
  select coalesce(e.closed_seq <= coalesce(l.released_seq, e.closed_seq) and l.confirmed_seq is distinct from l.released_seq,
                  false) as with_epoch) ends;

create table wanted (
  journal_key  integer not null references journals,
  asset_key    integer not null,
  wanted_seq   bigint not null,
  unwanted_seq bigint,
  from_at      timestamptz not null,
  until_at     timestamptz,
  primary key (asset_key, journal_key, wanted_seq)
);
create index wanted_open on wanted (journal_key, asset_key) where until_at is null;

create view coverage as
select g.token_id, during,
       (select max(part.known_at) from unnest(g.begins, g.knowns) as part (from_at, known_at)
        where part.from_at <@ during) as known_at
from (
  select a.token_id, range_agg(tstzrange(p.from_at, p.until_at)) as spans,
         array_agg(p.from_at) as begins, array_agg(p.known_at) as knowns
  from (select asset_key, from_at, until_at, known_at from coverage_ranges
        union all
        select asset_key, from_at, until_at,
               case when proven_at > until_at + interval '10 minutes' then proven_at else from_at end
        from listening_now) p
  join assets a using (asset_key)
  group by a.token_id) g
cross join lateral unnest(g.spans) as during;

create function coverage_gaps(token_id text, from_time timestamptz, to_time timestamptz)
returns table (gap tstzrange, cause text)
language sql stable parallel safe
begin atomic
  with asked as (
    select coalesce(coverage_gaps.from_time, '-infinity') as from_at, coalesce(coverage_gaps.to_time, 'infinity') as to_at
  ), token as (
    select a.asset_key, greatest(r.recorded_at, r.resolved_at) as resolved_at
    from assets a left join resolutions r using (condition_id)
    where a.token_id = coverage_gaps.token_id
  ), life as (
    select last.journal_key, last.start_seq, last.alive_at, coalesce(last.stopped_at, last.alive_at) as seen_at,
           last.stopped_at is null and last.alive_at > now() - interval '60 seconds' as is_alive,
           least(j.retired_at, case when exists (
             select from process_life p where p.journal_key <> j.journal_key and coalesce(p.stopped_at, p.alive_at)
               > coalesce(last.stopped_at, last.alive_at) + interval '24 hours')
             then coalesce(last.stopped_at, last.alive_at) + interval '24 hours' end) as retired_at
    from (select distinct w.journal_key from token join wanted w using (asset_key)) teller
    join journals j using (journal_key)
    cross join lateral (select p.* from process_life p where p.journal_key = teller.journal_key
                        order by p.start_seq desc limit 1) last
  ), recent as (
    select l.* from token join listening_now l using (asset_key)
  ), wish as (
    select unnest(range_agg(
             tstzmultirange(tstzrange(w.from_at, greatest(
               w.from_at, least(coalesce(w.until_at, token.resolved_at, 'infinity'), own.retired_at),
               listened_to.until_at)))
             - coalesce(heir.spans, '{}'))) as span
    from token join wanted w using (asset_key)
    left join life own on own.journal_key = w.journal_key
    left join lateral (    -- the last end of a listening that began while it was wanted
      select max(ends.until_at) as until_at
      from (select l.until_at from recent l
            where l.journal_key = w.journal_key and not l.is_open
              and l.confirmed_seq > w.wanted_seq and l.confirmed_seq < w.unwanted_seq
            union all
            (select r.until_at from coverage_ranges r
             where r.asset_key = w.asset_key and r.journal_key = w.journal_key
               and w.unwanted_seq is not null
               and r.confirmed_seq > w.wanted_seq and r.confirmed_seq < w.unwanted_seq
             order by r.from_at desc limit 1)) ends) listened_to on true
    left join lateral (
      select last.epoch
      from (select l.epoch, case when l.is_open then 'infinity' else l.until_at end as until_at from recent l
            where l.journal_key = w.journal_key
            union all
            (select r.epoch, r.until_at from coverage_ranges r
             where r.asset_key = w.asset_key and r.journal_key = w.journal_key
             order by r.from_at desc limit 1)) last
      order by last.until_at desc, last.epoch desc limit 1) listened on true
    left join lateral (    -- the run of the process that listened to the token last
      select p.start_seq, coalesce(p.stopped_at, p.alive_at) as seen_at from process_life p
      where p.journal_key = w.journal_key and p.start_seq < greatest(w.wanted_seq, listened.epoch)
        and (p.stopped_at is not null or p.alive_at <= now() - interval '60 seconds')
        and not exists (select from process_life later
                        where later.journal_key = w.journal_key and later.start_seq > p.start_seq
                          and later.start_seq < greatest(w.wanted_seq, listened.epoch))) gone on true
    left join lateral (
      select p.started_at from process_life p
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
              from wanted other
              join process_life run on run.journal_key = other.journal_key
              cross join lateral (select greatest(other.from_at, run.started_at) as at) begins
              where other.asset_key = w.asset_key and other.journal_key = life.journal_key
                and (other.until_at is null or other.until_at > other.from_at)
              union all
              select tstzrange(other.until_at, greatest(other.until_at, coalesce(    -- it had let it go
                       (select min(again.from_at) from wanted again
                        where again.asset_key = other.asset_key and again.journal_key = other.journal_key
                          and again.wanted_seq > other.wanted_seq
                          and (again.until_at is null or again.until_at > again.from_at)), 'infinity')))
              from wanted other
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
                select r.until_at from coverage_ranges r
                where r.asset_key = (select token.asset_key from token) and r.journal_key = life.journal_key
                order by r.from_at desc limit 1) r),
             (select max(newest.proven_until)
              from life cross join lateral (select e.proven_until from epochs e where e.journal_key = life.journal_key
                                            order by e.epoch desc limit 16) newest),
             (select max(p.proven_until) from life join process_life p using (journal_key))) as at
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
            select coalesce((select b.from_at from coverage_ranges b
                             where b.asset_key = (select token.asset_key from token)
                               and b.journal_key = life.journal_key and b.from_at <= asked.from_at
                             order by b.from_at desc limit 1), asked.from_at) as at) first
          join coverage_ranges r on r.asset_key = (select token.asset_key from token)
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
            select r.until_at, r.cause, r.released_seq from coverage_ranges r
            where r.asset_key = (select token.asset_key from token) and r.journal_key = life.journal_key
              and r.from_at <= lower(missing.gap)
            order by r.from_at desc limit 1) r
          where r.until_at <= lower(missing.gap) and r.until_at >= lower(wish.span)) ends
    order by ends.until_at desc, ends.seq desc limit 1) last on true
  order by missing.gap;
end;
