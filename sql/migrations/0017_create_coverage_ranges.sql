-- Why: a row for each token on each epoch outgrew the trades twofold, and one transaction that ended all epochs of a
--      killed process was cut by the time limit, for ever. Now `listening` holds only what may still change. What is
--      final is settled in bounded steps: it goes into `coverage_ranges`, one row for each uninterrupted range of a
--      token in a journal, whatever the number of its connections and epochs. The rows of before are settled likewise
--      by the running tracker, a few epochs at a time; until then every question reads both.
--      A range keeps of the listening that ended last in it: its end, cause and sequences; so a question has the same
--      answer before and after. Its known_at is its beginning, unless a part was stored more than ten minutes after it
--      had ended: then it is when that was.
-- Locks: ACCESS EXCLUSIVE on epochs and process_life for milliseconds; no tracker writes while two indexes are made.
--      Takes: about 20 s for 24 million listening rows.
-- Previous versions: must not write.
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
) with (fillfactor = 85);    -- an end moves within its page

alter table epochs
  add column proven_at timestamptz,                  -- when proven_until was stored
  add column held boolean not null default false;    -- a message in doubt keeps it from being settled
create index epochs_ended on epochs (journal_key, closed_seq) where closed_seq is not null and not held;
create index epochs_held on epochs (journal_key, epoch) where held;
create index rejected_messages_records on rejected_messages (journal_key, seq)
  where connection = 'journal' and taken_in_at is null;
create index listening_released on listening (journal_key, released_seq) where released_seq is not null;
create index listening_by_token on listening (asset_key);
drop index listening_by_end;
-- The exchange's time until which any connection of this run has proven something that is settled.
alter table process_life add column proven_until timestamptz;

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

create or replace view coverage as
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

-- When the tracker of this journal was retired by a person: since then it wants nothing.
alter table journals add column retired_at timestamptz;

-- Which connection of a writer stores this journal: a commit of any other one fails. A state directory that was copied,
-- and a machine that was set back, so cannot lose what they store under numbers that are taken.
alter table journal_progress add column session uuid;

create or replace function coverage_gaps(token_id text, from_time timestamptz, to_time timestamptz)
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
