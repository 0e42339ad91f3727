-- Tells how markets are called.
-- Parameters: markets (their ids).
-- Rows: condition_id, question, slug.
select m.condition_id, m.question, m.slug from public.markets m where m.condition_id = any(%(markets)s)
