-- Ends all open contradictions about a market, because a person has decided about them.
-- Parameters: condition_id, reason. Rows: detected_at, kind, source, recorded, observed of each, oldest first.
with cleared as (
  update public.resolution_conflicts set cleared_at = now(), cleared_by = %(reason)s
  where condition_id = %(condition_id)s and cleared_at is null
  returning detected_at, kind, source, recorded, observed
)
select detected_at, kind, source, recorded, observed from cleared order by detected_at, kind, source
