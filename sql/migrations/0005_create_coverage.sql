-- Why: coverage, not gaps, is recorded. "No trades" and "not listened" are different answers, and a crash must make a
--      gap without anyone's help. Times are those of the exchange where it tells one.
--   epochs           one row for each run of a connection that is not settled; its number is the journal sequence of
--                    ListeningOpened. proven_until: data proves that everything until then was received. It only grows.
--   listening        a token on an epoch, from its first `book`; open while until_at is NULL, and then it reaches to
--                    the epoch's proven_until. Holds only what may still change.
--   coverage_ranges  what is final, moved here in bounded steps ("settled"): one row for each uninterrupted range of a
--                    token in a journal, whatever the number of its connections and epochs. It keeps of the listening
--                    that ended last in it its epoch, sequences and cause. known_at is its beginning, unless a part was
--                    stored more than ten minutes after it had ended: then it is when that was.
--   wanted           when a token was to be listened to. Rows may overlap: they are united.
--      Every row remembers by which journal sequence it began and ended, and where two facts would end the same thing
--      the lower sequence wins. So facts may be replayed, and may arrive out of order: the result is that of the
--      journal's order. A row whose beginning and end have the same sequence holds no time: it is an end that arrived
--      before its beginning, or had none.
--      A start of the process ends every epoch of its journal with a lower number that did not end itself: at its
--      proven_until, as `process_down` (lost). What has ended below the watermark changes no more and is settled, but
--      for what a kept message may still change (held).
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.
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
