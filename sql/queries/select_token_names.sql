-- Returns what people call these tokens and their markets; each text is cut at 200 characters, since anybody may write it.
-- Two looks into an index for each token.
-- Parameters: tokens (token ids, a few).
-- Rows: token_id, slug, question, outcome; NULL what is not known.
select a.token_id, left(m.slug, 200), left(m.question, 200), left(a.outcome, 200)
from public.assets a left join public.markets m on m.condition_id = a.condition_id
where a.token_id = any(%(tokens)s)
