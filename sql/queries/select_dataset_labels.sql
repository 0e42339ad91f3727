-- Returns what each token of resolved markets pays.
-- Parameters: conditions (text[]), as_of (timestamptz; NULL: all that is known).
-- Rows: token_id, condition_id, outcome, payout, kind, resolved_at, known_at, contested, sources; in order.
select l.token_id, l.condition_id, l.outcome, l.payout, r.kind, l.resolved_at, l.known_at, l.contested, l.sources
from public.labels_as_of(coalesce(%(as_of)s::timestamptz, 'infinity')) l join public.resolutions r using (condition_id)
where l.condition_id = any (%(conditions)s::text[])
order by l.condition_id, l.token_id collate "C"
