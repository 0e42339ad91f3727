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
