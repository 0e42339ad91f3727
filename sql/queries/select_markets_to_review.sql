-- Returns which conditions have tokens (trades give them) none of which has a name: their market was never stored, since a
-- market is stored together with its tokens' names. One range of an index that has tokens without a name alone.
-- Parameters: after (condition_id, '' at first), limit (tokens at most).
-- Rows: condition_id, false; last of all the last condition_id of the range, true, when more may follow.
with page as materialized (
  select a.condition_id from public.assets a
  where a.outcome_index is null and a.condition_id > %(after)s
  order by a.condition_id limit %(limit)s
)
select p.condition_id, false from (select distinct condition_id from page) p
where not exists (select from public.assets a where a.condition_id = p.condition_id and a.outcome_index is not null offset 0)
union all
select max(condition_id), true from page having count(*) = %(limit)s
