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
