-- Returns what each token of resolved markets pays.
-- Parameters: conditions (text[]), as_of (timestamptz; NULL: all that is known).
-- Rows: token_id, condition_id, outcome, payout, kind, resolved_at, known_at, sources; in order.
select p.token_id, p.condition_id, p.outcome, p.payout, r.kind, r.resolved_at, r.recorded_at, r.sources
from public.resolutions r join public.resolution_payouts p using (condition_id)
where r.condition_id = any (%(conditions)s::text[]) and r.recorded_at <= coalesce(%(as_of)s::timestamptz, 'infinity')
order by p.condition_id, p.token_id collate "C"
