-- Returns from when on rechecks fell due that nobody saw to: ten minutes before the last evidence was
-- written, at most 30 days before `until`; `until` itself when there is no evidence.
-- Parameters: until (timestamptz). Rows: one: a time (ms).
select (extract(epoch from greatest(
          %(until)s - interval '30 days',
          coalesce((select max(recorded_at) - interval '10 minutes' from public.resolution_observations), %(until)s))) * 1000)::bigint
