-- Returns the stored resolutions of these markets with what people call them; each text is cut at 200 characters.
-- Two looks into an index for each market.
-- Parameters: conditions (condition ids, a few).
-- Rows: condition_id, slug, question, winner (empty for a split; NULL: without a name), resolved_at and recorded_at as
-- milliseconds since 1970.
select r.condition_id, left(m.slug, 200), left(m.question, 200),
       case when r.kind = 'split' then '' else left(r.winning_outcome, 200) end,
       (extract(epoch from r.resolved_at) * 1000)::bigint, (extract(epoch from r.recorded_at) * 1000)::bigint
from public.resolutions r left join public.markets m on m.condition_id = r.condition_id
where r.condition_id = any(%(conditions)s)
