-- Stores that sources agree with recorded resolutions; of each source the first time.
-- Parameters: confirmations (JSON array of Confirmation). Rows: none.
insert into public.resolution_confirmations (condition_id, source, confirmed_at)
select condition_id, source, to_timestamp(confirmed_at_ms / 1000.0)
from jsonb_to_recordset(%(confirmations)s::jsonb) as c (condition_id text, source text, confirmed_at_ms bigint)
order by condition_id, source, confirmed_at_ms
on conflict do nothing
