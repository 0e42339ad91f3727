-- Finds markets whose slugs have the most words in common with what was asked for.
-- Parameters: words (of it), most.
-- Rows, the nearest first: slug.
select m.slug from public.markets m
cross join lateral (
  select count(*) as hits from unnest(string_to_array(m.slug, '-')) word where word = any(%(words)s)) near
where near.hits > 0
order by near.hits desc, length(m.slug), m.slug limit %(most)s
