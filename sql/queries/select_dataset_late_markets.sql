-- Returns those markets of these tokens that select_dataset_markets does not list for a time span by itself.
-- Parameters: keys (integer[]), from_at, to_at, as_of (timestamptz; NULL: all that is known). Rows: condition_id.
select distinct a.condition_id from public.assets a
left join public.markets m using (condition_id)
left join public.resolutions r using (condition_id)
where a.asset_key = any (%(keys)s::integer[]) and a.condition_id is not null
  and (m.first_seen_at is null or m.first_seen_at >= %(to_at)s::timestamptz or m.first_seen_at > coalesce(%(as_of)s::timestamptz, 'infinity')
       or r.recorded_at < %(from_at)s::timestamptz)
order by 1
