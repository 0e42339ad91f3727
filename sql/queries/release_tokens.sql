-- Ends the listening to tokens on an epoch that goes on (TokensReleased). If no row ends by it, or
-- if it comes before the end that a row had until now, the end is stored in a row of its own: the
-- start to which it belongs may still arrive.
-- Parameters: journal, epoch, seq, at (timestamptz), assets (asset_key[]), cause, complete_below (journal sequence; an
-- epoch below it that has no row is settled). Rows: none.
with given as materialized (
  select k.asset_key, l.confirmed_seq, l.released_seq, l.until_at, l.cause
  from unnest(%(assets)s::integer[]) as k (asset_key)
  left join lateral (    -- a look into the index for each token
    select l.confirmed_seq, l.released_seq, l.until_at, l.cause from tracker.listening l
    where l.journal_key = %(journal)s and l.epoch = %(epoch)s and l.asset_key = k.asset_key
      and l.confirmed_seq < %(seq)s and (l.released_seq is null or l.released_seq > %(seq)s)
    offset 0) l on true
), ended as (
  update tracker.listening l
  set until_at = greatest(l.from_at, %(at)s), released_seq = %(seq)s, cause = %(cause)s
  where l.journal_key = %(journal)s and l.epoch = %(epoch)s and l.asset_key = any(%(assets)s::integer[])
    and l.confirmed_seq < %(seq)s and (l.released_seq is null or l.released_seq > %(seq)s)
)
insert into tracker.listening (journal_key, epoch, asset_key, confirmed_seq, from_at, until_at, released_seq, cause)
select %(journal)s, %(epoch)s, k.asset_key, %(seq)s, %(at)s, %(at)s, %(seq)s, %(cause)s
from given k
where (%(epoch)s = 0 or %(epoch)s >= %(complete_below)s
       or exists (select from tracker.epochs k where k.journal_key = %(journal)s and k.epoch = %(epoch)s))
  and k.confirmed_seq is null
  and not exists (    -- by the primary key: by the release each would meet all that this statement adds
    select from (select l.released_seq from tracker.listening l
                 where l.journal_key = %(journal)s and l.epoch = %(epoch)s and l.asset_key = k.asset_key offset 0) l
    where l.released_seq = %(seq)s)
union all
select %(journal)s, %(epoch)s, b.asset_key, b.released_seq, b.until_at, b.until_at, b.released_seq, b.cause
from given b where b.released_seq is not null
on conflict do nothing
