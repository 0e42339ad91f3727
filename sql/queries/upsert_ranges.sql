-- Stores ranges of coverage; one that begins where a stored one does takes its place.
-- Parameters: journal; ranges: arrays of equal length: assets (asset_key), since, until, known (timestamptz), epochs,
-- confirmed, released (bigint), causes (text). Rows: none.
insert into tracker.coverage_ranges (journal_key, asset_key, from_at, until_at, known_at, epoch, confirmed_seq, released_seq, cause)
select %(journal)s, k.*
from unnest(%(assets)s::integer[], %(since)s::timestamptz[], %(until)s::timestamptz[], %(known)s::timestamptz[],
            %(epochs)s::bigint[], %(confirmed)s::bigint[], %(released)s::bigint[], %(causes)s::text[]) as k
on conflict (asset_key, journal_key, from_at) do update
set until_at = excluded.until_at, known_at = excluded.known_at, epoch = excluded.epoch,
    confirmed_seq = excluded.confirmed_seq, released_seq = excluded.released_seq, cause = excluded.cause
