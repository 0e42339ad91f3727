-- Ends the listening to tokens on an epoch that goes on (TokensReleased). Where
-- nothing had begun, the end is kept by itself for a beginning that arrives later.
-- Parameters: journal, epoch, seq, at (timestamptz), assets (asset_key[]), cause. Rows: none.
with ended as (
  update listening l
  set until_at = greatest(l.from_at, %(at)s), released_seq = %(seq)s, cause = %(cause)s
  where l.journal_key = %(journal)s and l.epoch = %(epoch)s and l.asset_key = any(%(assets)s::integer[])
    and l.confirmed_seq < %(seq)s and (l.released_seq is null or l.released_seq > %(seq)s)
)
insert into listening (journal_key, epoch, asset_key, confirmed_seq, from_at, until_at, released_seq, cause)
select %(journal)s, %(epoch)s, k.asset_key, %(seq)s, %(at)s, %(at)s, %(seq)s, %(cause)s
from unnest(%(assets)s::integer[]) as k (asset_key)
where not exists (select from listening l where l.journal_key = %(journal)s and l.epoch = %(epoch)s
                  and l.asset_key = k.asset_key and l.confirmed_seq <= %(seq)s)
on conflict do nothing
