-- Records that tokens are wanted (TokensWanted). Nothing is added for a token that is wanted
-- already, but only if every earlier record has arrived: a record that is still missing may
-- end that row before this one starts.
-- Parameters: journal, seq, at (timestamptz), assets (asset_key[]), complete
-- (boolean: every earlier record has arrived). Rows: none.
insert into tracker.wanted (journal_key, asset_key, wanted_seq, from_at, until_at, unwanted_seq)
select %(journal)s, k.asset_key, %(seq)s, %(at)s,
       greatest(later.until_at, case when later.until_at is not null then %(at)s::timestamptz end), later.unwanted_seq
from unnest(%(assets)s::integer[]) as k (asset_key)
left join lateral (
  select w.unwanted_seq, w.until_at from tracker.wanted w
  where w.journal_key = %(journal)s and w.asset_key = k.asset_key and w.unwanted_seq > %(seq)s
  order by w.unwanted_seq limit 1) later on true
where not (%(complete)s and exists (
  select from tracker.wanted w where w.journal_key = %(journal)s and w.asset_key = k.asset_key
  and w.wanted_seq <= %(seq)s and (w.unwanted_seq is null or w.unwanted_seq > %(seq)s)
  offset 0))    -- a look into the index for each token
on conflict do nothing
