-- Returns which conditions of one range have tokens (trades give them) and no market, or no named token.
-- One range of two indexes, so its time does not grow with the tables.
-- Parameters: after (condition_id, '' at first), limit (tokens at most).
-- Rows: condition_id, false; last of all the last condition_id of the range, true, when more follow.
with page as materialized (
  select a.condition_id, a.outcome_index from public.assets a where a.condition_id > %(after)s
  order by a.condition_id limit %(limit)s
), span as (
  select case when count(*) = %(limit)s then max(condition_id) end as last from page
), listed as materialized (
  select m.condition_id from public.markets m
  where m.condition_id > %(after)s and m.condition_id <= coalesce((select last from span), 'g')
), unknown as (
  select p.condition_id from page p left join listed m using (condition_id)
  group by p.condition_id having count(m.condition_id) = 0 or count(p.outcome_index) = 0
  union
  select m.condition_id from listed m
  where not exists (select from public.assets a where a.condition_id = m.condition_id)
)
select condition_id, false from unknown
union all
select last, true from span where last is not null
