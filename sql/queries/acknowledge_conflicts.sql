-- Ends all open contradictions about a market, because a person has decided about them.
-- Parameters: condition_id, reason. Rows: detected_at, kind, source, recorded, observed of each, oldest first; and in each of
-- them the slug of the market and the names of its tokens, token_id to name, as far as known.
with cleared as (
  update public.resolution_conflicts set cleared_at = now(), cleared_by = %(reason)s, clearance_recorded_at = now()
  where condition_id = %(condition_id)s and cleared_at is null
  returning detected_at, kind, source, recorded, observed
)
select detected_at, kind, source, recorded, observed,
       coalesce((select m.slug from public.markets m where m.condition_id = %(condition_id)s), ''),
       coalesce((select jsonb_object_agg(a.token_id, a.outcome) from public.assets a
                 where a.condition_id = %(condition_id)s and a.outcome is not null), '{}')
from cleared order by detected_at, kind, source
