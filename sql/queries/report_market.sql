-- Tells what a market is, as last reported.
-- Parameters: market.
-- Rows: one, or none: condition_id, question, slug, title of its event, description, closed, end_date, first_seen_at; kind,
-- winning_outcome, resolved_at, recorded_at and sources of its resolution, or NULLs.
select m.condition_id, m.question, m.slug, e.title, left(m.description, 2000), m.closed, m.end_date, m.first_seen_at,
       r.kind, r.winning_outcome, r.resolved_at, r.recorded_at, r.sources
from public.markets m
left join public.events e using (event_id)
left join public.resolutions r using (condition_id)
where m.condition_id = %(market)s
