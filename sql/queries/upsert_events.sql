-- Stores events as they are now; a row is written only if something changed, and what is known is never replaced by
-- nothing. Only events that differ from what is stored are written, in their order, so that those of other trackers
-- need not wait for each other.
-- Parameters: events (JSON array of Event, each event_id once). Rows: none.
with given as materialized (
  select * from jsonb_to_recordset(%(events)s::jsonb) as e (
    event_id text, slug text, title text, series_slug text, neg_risk boolean, neg_risk_augmented boolean,
    neg_risk_market_id text, starts_at timestamptz, end_at timestamptz)
), changed as materialized (
  select g.event_id, coalesce(g.slug, e.slug) as slug, coalesce(g.title, e.title) as title,
         coalesce(g.series_slug, e.series_slug) as series_slug, coalesce(g.neg_risk, e.neg_risk) as neg_risk,
         coalesce(g.neg_risk_augmented, e.neg_risk_augmented) as neg_risk_augmented,
         coalesce(g.neg_risk_market_id, e.neg_risk_market_id) as neg_risk_market_id,
         coalesce(g.starts_at, e.starts_at) as starts_at, coalesce(g.end_at, e.end_date) as end_date, e as old
  from given g
  left join lateral (select * from public.events e where e.event_id = g.event_id limit 1) e on true
)
insert into public.events as old (event_id, slug, title, series_slug, neg_risk, neg_risk_augmented, neg_risk_market_id,
                                  starts_at, end_date)
select event_id, slug, title, series_slug, neg_risk, neg_risk_augmented, neg_risk_market_id, starts_at, end_date
from changed c
where (c.old).event_id is null
   or (c.slug, c.title, c.series_slug, c.neg_risk, c.neg_risk_augmented, c.neg_risk_market_id, c.starts_at, c.end_date)
      is distinct from ((c.old).slug, (c.old).title, (c.old).series_slug, (c.old).neg_risk, (c.old).neg_risk_augmented,
                        (c.old).neg_risk_market_id, (c.old).starts_at, (c.old).end_date)
order by event_id
on conflict (event_id) do update
set (slug, title, series_slug, neg_risk, neg_risk_augmented, neg_risk_market_id, starts_at, end_date, updated_at)
  = (coalesce(excluded.slug, old.slug), coalesce(excluded.title, old.title),
     coalesce(excluded.series_slug, old.series_slug), coalesce(excluded.neg_risk, old.neg_risk),
     coalesce(excluded.neg_risk_augmented, old.neg_risk_augmented),
     coalesce(excluded.neg_risk_market_id, old.neg_risk_market_id), coalesce(excluded.starts_at, old.starts_at),
     coalesce(excluded.end_date, old.end_date), now())
