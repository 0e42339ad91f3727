-- Records that tokens are not wanted any more (TokensUnwanted). If no row ends by it, or if it
-- comes before the end that a row had until now, the end is stored in a row of its own: the start
-- to which it belongs may still arrive.
-- Parameters: journal, seq, at (timestamptz), assets (asset_key[]). Rows: none.
with given as materialized (
  select k.asset_key, w.wanted_seq, w.unwanted_seq, w.until_at
  from unnest(%(assets)s::integer[]) as k (asset_key)
  left join lateral (    -- a look into the index for each token
    select w.wanted_seq, w.unwanted_seq, w.until_at from tracker.wanted w
    where w.journal_key = %(journal)s and w.asset_key = k.asset_key
      and w.wanted_seq < %(seq)s and (w.unwanted_seq is null or w.unwanted_seq > %(seq)s)
    offset 0) w on true
), ended as (
  update tracker.wanted w set until_at = greatest(w.from_at, %(at)s), unwanted_seq = %(seq)s
  where w.journal_key = %(journal)s and w.asset_key = any(%(assets)s::integer[])
    and w.wanted_seq < %(seq)s and (w.unwanted_seq is null or w.unwanted_seq > %(seq)s)
)
insert into tracker.wanted (journal_key, asset_key, wanted_seq, from_at, until_at, unwanted_seq)
select %(journal)s, k.asset_key, %(seq)s, %(at)s, %(at)s, %(seq)s
from given k
where k.wanted_seq is null
  and not exists (select from tracker.wanted w where w.journal_key = %(journal)s and w.asset_key = k.asset_key
                  and w.unwanted_seq = %(seq)s offset 0)
union all
select %(journal)s, b.asset_key, b.unwanted_seq, b.until_at, b.until_at, b.unwanted_seq
from given b where b.unwanted_seq is not null
on conflict do nothing
