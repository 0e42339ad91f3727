-- Why: what people read beside the tables of schema `public`. Only narrow questions are answered fast at a hundred million
--      trades: those about a token, about a time, or about the newest trades.
--   coverage       union over all connections and trackers of the time that was listened to.
--   coverage_gaps  (wanted within [from_time, to_time)) minus coverage, before the horizon; a time that is NULL is no
--                  limit. cause: why the listening that ended last before the gap did end, as one of never_confirmed
--                  disconnected frozen deaf process_down disk_full exchange_silent clock_step rejected not_discovered
--                  (any other reason counts as disconnected); never_confirmed when nothing was heard before it since
--                  the token is wanted. A wish that nobody ended ends when the market's resolution is recorded, when a
--                  person retires its tracker, or a day after that was seen for the last time if another one is seen
--                  later. While its tracker is away, what another one that wants the token does counts instead.
--   horizon        what is later is not known yet, so it is no gap. Of the trackers that want the token and are alive
--                  (seen less than 60 s ago, and not stopped): the best proven_until of an open listening of it; if
--                  there is none, the latest alive_at. When no such tracker is alive: now. The exchange's last known
--                  time counts when it is later, for a clock of ours that is behind.
-- Locks: none that matter, they are new. Takes: milliseconds.
-- Previous versions: must not write.
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
