-- Tells which markets should have an outcome and have none recorded, now.
-- Parameters: market (NULL: all), most (markets to name).
-- Rows: kind `state`, the most frequent first: state, NULL, count, when the first of them ended, NULL; kind `market`, the first that
-- ended first: state, condition_id, NULL, when it ended, reason.
with waiting as materialized (
  select u.condition_id, u.state, u.ended_at, u.reason from public.unresolved_markets u
  where %(market)s::text is null or u.condition_id = %(market)s
)
(select 'state' as kind, state, null as condition_id, count(*) as count, min(ended_at) as ended_at, null as reason
 from waiting group by state order by count(*) desc, state)
union all
(select 'market', state, condition_id, null, ended_at, reason from waiting
 order by ended_at nulls last, condition_id limit %(most)s)
