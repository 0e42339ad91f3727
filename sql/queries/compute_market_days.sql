-- Computes coverage of markets on days, and keeps it in place of what was computed earlier. Nothing is kept of a market of which
-- no token was wanted then, nor by the number of another of its tokens.
-- Parameters: arrays of equal length: assets (asset_key of any token of the market), days (date). Rows: one: how many are kept.
with given as materialized (
  select distinct market.condition_id, market.asset_key, k.day
  from unnest(%(assets)s::integer[], %(days)s::date[]) as k (asset_key, day)
  cross join lateral (
    select a.condition_id, min(b.asset_key) as asset_key
    from (select a.condition_id from public.assets a where a.asset_key = k.asset_key offset 0) a
    cross join lateral (select b.asset_key from public.assets b where b.condition_id = a.condition_id offset 0) b
    group by a.condition_id) market
), computed as materialized (
  select g.asset_key, g.day, c.wanted_s, c.covered_s, c.longest_gap_s, c.complete, c.causes,
         (select d.revision from tracker.computed_days d where d.day = g.day) as revision
  from given g
  cross join lateral public.market_coverage(g.condition_id, g.day::timestamp at time zone 'UTC',
                                            (g.day + 1)::timestamp at time zone 'UTC') c
), gone as (
  delete from tracker.market_days m
  using given g
  cross join lateral (select a.asset_key from public.assets a where a.condition_id = g.condition_id offset 0) token
  where m.asset_key = token.asset_key and m.day = g.day
    and not exists (select from computed c where c.asset_key = token.asset_key and c.day = g.day)
), kept as (
  insert into tracker.market_days as m (asset_key, day, wanted_ms, missed_ms, longest_ms, revision, is_complete, causes)
  select c.asset_key, c.day, least(round(c.wanted_s * 1000), 2147483647), nullif(least(round((c.wanted_s - c.covered_s) * 1000), 2147483647), 0),
         nullif(round(c.longest_gap_s * 1000), 0), c.revision, c.complete, nullif(c.causes, '{}')
  from computed c where c.revision is not null
  order by c.asset_key, c.day
  on conflict (asset_key, day) do update
  set wanted_ms = excluded.wanted_ms, missed_ms = excluded.missed_ms, longest_ms = excluded.longest_ms,
      revision = excluded.revision, is_complete = excluded.is_complete, causes = excluded.causes
  returning 1
)
select count(*) from kept
