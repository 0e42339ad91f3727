-- Returns events, for a dataset. There is no history of events: what changed after as_of is not shown.
-- Parameters: events (text[]), as_of (timestamptz; NULL: all that is known). Rows: columns of events; in order.
select e.event_id, case when known then e.slug end, case when known then e.title end, case when known then e.series_slug end,
       case when known then e.neg_risk end, case when known then e.neg_risk_augmented end,
       case when known then e.neg_risk_market_id end, case when known then e.starts_at end, case when known then e.end_date end,
       e.first_seen_at
from public.events e
cross join lateral (select e.updated_at <= coalesce(%(as_of)s::timestamptz, 'infinity')) as told (known)
where e.event_id = any (%(events)s::text[]) and e.first_seen_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by e.event_id collate "C"
