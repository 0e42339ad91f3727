-- Ends the wish to listen to tokens (TokensUnwanted). Where none stood, the end
-- is kept by itself for a beginning that arrives later.
-- Parameters: journal, seq, at (timestamptz), assets (asset_key[]). Rows: none.
with ended as (
  update wanted w set until_at = greatest(w.from_at, %(at)s), unwanted_seq = %(seq)s
  where w.journal_key = %(journal)s and w.asset_key = any(%(assets)s::integer[])
    and w.wanted_seq < %(seq)s and (w.unwanted_seq is null or w.unwanted_seq > %(seq)s)
)
insert into wanted (journal_key, asset_key, wanted_seq, from_at, until_at, unwanted_seq)
select %(journal)s, k.asset_key, %(seq)s, %(at)s, %(at)s, %(seq)s
from unnest(%(assets)s::integer[]) as k (asset_key)
where not exists (select from wanted w where w.journal_key = %(journal)s and w.asset_key = k.asset_key
                  and w.wanted_seq <= %(seq)s)
on conflict do nothing
