-- Returns markets whose hour may be audited: some that traded at a moment of it or soon after, and some that stand behind a
-- condition id, whether they traded or not. Only those that were listened to in that hour, and have no audit since a time.
-- Parameters: from, until (timestamptz: the hour), probe (timestamptz: the moment), after (condition_id), witness,
-- again (timestamptz), trades (how many trades are looked at), markets (how many markets behind the id).
-- Rows: condition_id; whether listening to a token of it began or ended in that hour; whether it is known to have traded.
with traded as materialized (
  select distinct t.asset_key
  from (select x.asset_key from tracker.trades x where x.traded_at >= %(probe)s and x.traded_at < %(until)s
        order by x.traded_at limit %(trades)s) t
), behind as materialized (
  select m.condition_id from public.markets m where m.condition_id >= %(after)s order by m.condition_id limit %(markets)s
), named as materialized (
  select n.condition_id, bool_or(n.traded) as traded
  from (select a.condition_id, true as traded from public.assets a
        where a.asset_key = any(array(select k.asset_key from traded k))
        union all
        select b.condition_id, false from behind b) n
  where n.condition_id is not null and coalesce(    -- by its key, whatever the planner believes
    (select d.checked_at from public.audits d
     where d.condition_id = n.condition_id and d.hour = %(from)s and d.witness = %(witness)s), '-infinity') < %(again)s
  group by n.condition_id
)
select n.condition_id, heard.touched, n.traded
from named n
cross join lateral (
  select bool_or(c.from_at >= %(from)s or c.until_at < %(until)s) as touched
  from public.assets a
  cross join lateral (    -- by token in either table
    select r.from_at, r.until_at from tracker.coverage_ranges r
    where r.asset_key = a.asset_key and r.from_at < %(until)s and r.until_at > %(from)s
    union all
    select l.from_at, l.until_at from tracker.listening_now l
    where l.asset_key = a.asset_key and l.from_at < %(until)s and l.until_at > %(from)s) c
  where a.condition_id = n.condition_id) heard
where heard.touched is not null
