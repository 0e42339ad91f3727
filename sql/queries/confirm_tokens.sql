-- Starts the listening to tokens on an epoch (TokensConfirmed). If a release with a higher
-- sequence has been stored already, the listening ends with it.
-- Parameters: journal, epoch, seq, at (timestamptz), assets (asset_key[]), complete_below (journal sequence; an epoch
-- below it that has no row is settled). Rows: none.
insert into tracker.listening (journal_key, epoch, asset_key, confirmed_seq, from_at, until_at, released_seq, cause)
select %(journal)s, %(epoch)s, k.asset_key, %(seq)s, %(at)s,
       greatest(later.until_at, case when later.until_at is not null then %(at)s::timestamptz end),
       later.released_seq, later.cause
from unnest(%(assets)s::integer[]) as k (asset_key)
left join lateral (
  select l.released_seq, l.until_at, l.cause
  from (select * from tracker.listening l    -- by the primary key, and not by the releases of all tokens
        where l.journal_key = %(journal)s and l.epoch = %(epoch)s and l.asset_key = k.asset_key offset 0) l
  where l.released_seq > %(seq)s
  order by l.released_seq limit 1) later on true
where %(epoch)s = 0 or %(epoch)s >= %(complete_below)s
   or exists (select from tracker.epochs k where k.journal_key = %(journal)s and k.epoch = %(epoch)s)
on conflict do nothing
