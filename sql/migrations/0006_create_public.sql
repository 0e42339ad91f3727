-- Why: what people read beside the tables of schema `public`. Only narrow questions are answered fast at a hundred million
--      trades: those about a token, about a time, or about the newest trades. What each gives is told in its comment, which
--      is that of docs/reference/data.md; how, beside it here.
-- Locks: none that matter, they are new. Takes: milliseconds.
-- Previous versions: must not write.

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
