-- Returns what one range of condition ids lacks: conditions that have tokens (trades give them) and
-- no market, or no named token; and closed markets without a resolution of which nothing is wanted
-- by a tracker that runs (it has them, and sees to their resolution).
-- One range of two indexes, so its time does not grow with the tables.
-- Parameters: journal (journal_key), after (condition_id, '' at first), limit (tokens at most).
-- Rows: condition_id, the market as JSON or NULL when it is unknown; last of all a row of the last
-- condition_id of the range and the text `end`, when more follow.
with running as materialized (
  select %(journal)s::integer as journal_key
  union
  select journal_key from process_life group by journal_key
  having max(alive_at) > now() - interval '60 seconds'
     and (array_agg(stopped_at order by start_seq desc))[1] is null
), page as materialized (
  select a.condition_id, a.outcome_index from assets a where a.condition_id > %(after)s
  order by a.condition_id limit %(limit)s
), span as (
  select case when count(*) = %(limit)s then max(condition_id) end as last from page
), listed as materialized (
  select m.* from markets m
  where m.condition_id > %(after)s and m.condition_id <= coalesce((select last from span), 'g')
), unknown as (
  select p.condition_id from page p left join listed m using (condition_id)
  group by p.condition_id having count(m.condition_id) = 0 or count(p.outcome_index) = 0
  union
  select m.condition_id from listed m
  where not exists (select from assets a where a.condition_id = m.condition_id)
), found as (
  select u.condition_id, null as market from unknown u
  union all
  select m.condition_id,
         json_build_object(
           'condition_id', m.condition_id, 'question', m.question, 'slug', m.slug, 'gamma_id', m.gamma_id,
           'end_at', m.end_date, 'started_at', m.started_at, 'closed', m.closed, 'active', m.active,
           'neg_risk', m.neg_risk, 'version', m.version, 'volume', m.volume::text, 'tags', m.tags,
           'assets', (
             select json_agg(json_build_object('token_id', a.token_id, 'outcome', coalesce(a.outcome, ''),
                                               'outcome_index', a.outcome_index) order by a.outcome_index, a.asset_key)
             from assets a where a.condition_id = m.condition_id and a.outcome_index is not null))::text
  from listed m
  where m.closed
    and not exists (select from unknown u where u.condition_id = m.condition_id)
    and not exists (select from resolutions r where r.condition_id = m.condition_id)
    and not exists (select from assets a join wanted w using (asset_key)
                    where a.condition_id = m.condition_id and w.until_at is null
                      and w.journal_key in (select journal_key from running))
)
select condition_id, market from found
union all
select last, 'end' from span where last is not null
