-- Why: two trackers could end each other's wish, and what neither heard was in no gap. One stops, the other goes on and
--      is killed, the first one returns: the second one counted for the first beyond its own end, and the first one for
--      the second before its return. Now another tracker counts only while it ran and wanted the token, and since it let
--      the token go. So a wish is cut only where its own tracker was away and another one was there or had decided,
--      and no two cut each other: in the five minutes after a return in which a market is found closed only one counts
--      that was there before. Nothing that is stored changes.
-- Locks: none that anybody waits for. Takes: milliseconds.
-- Previous versions: may go on writing.
create or replace function coverage_gaps(token_id text, from_time timestamptz, to_time timestamptz)
returns table (gap tstzrange, cause text)
language sql stable parallel safe
begin atomic
  with token as (
    select a.asset_key, greatest(r.recorded_at, r.resolved_at) as resolved_at
    from assets a left join resolutions r using (condition_id)
    where a.token_id = coverage_gaps.token_id
  ), life as (
    select last.journal_key, last.start_seq, last.alive_at, coalesce(last.stopped_at, last.alive_at) as seen_at,
           last.stopped_at is null and last.alive_at > now() - interval '60 seconds' as is_alive
    from (select distinct w.journal_key from token join wanted w using (asset_key)) teller
    cross join lateral (select p.* from process_life p where p.journal_key = teller.journal_key
                        order by p.start_seq desc limit 1) last
  ), wish as (
    select unnest(range_agg(
             tstzmultirange(tstzrange(w.from_at, greatest(
               w.from_at, coalesce(w.until_at, token.resolved_at, 'infinity'), listened_to.until_at)))
             - coalesce(heir.spans, '{}'))) as span
    from token join wanted w using (asset_key)
    left join lateral (    -- the last end of a listening that began while it was wanted
      select l.until_at from listening l
      where l.asset_key = w.asset_key and l.journal_key = w.journal_key and l.until_at is not null
        and w.unwanted_seq is not null and l.confirmed_seq > w.wanted_seq and l.confirmed_seq < w.unwanted_seq
      order by l.until_at desc limit 1) listened_to on true
    left join lateral (
      select l.epoch from listening l
      where l.asset_key = w.asset_key and l.journal_key = w.journal_key
      order by l.until_at desc limit 1) listened on true
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
  ), open as (
    select greatest(l.from_at, e.proven_until) as until_at,
           coalesce(e.reason, case when alive.journal_key is null then 'process_down' end) as cause,
           l.from_at, l.confirmed_seq as seq, e.closed_seq is null and alive.journal_key is not null as pending
    from token join listening l using (asset_key)
    left join epochs e using (journal_key, epoch)
    left join alive on alive.journal_key = l.journal_key and alive.start_seq < l.epoch
    where l.until_at is null
  ), exchange as (
    select greatest(
             (select l.until_at from listening l
              where l.asset_key = (select token.asset_key from token) and l.until_at is not null
              order by l.until_at desc limit 1),
             (select max(newest.proven_until)
              from life cross join lateral (select e.proven_until from epochs e where e.journal_key = life.journal_key
                                            order by e.epoch desc limit 16) newest)) as at
  ), horizon as (
    select coalesce((select max(until_at) from open where pending),
                    greatest(coalesce((select max(alive_at) from alive), now()), (select at from exchange))) as at
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
                                  'exchange_silent', 'clock_step', 'rejected', 'not_discovered') then last.cause
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
