-- Covers the time that was not covered because of rejected messages, once each of them that may be a trade
-- of the token is taken in. It reaches from where the doubt ended the listening to where that began again;
-- or, if it did not, to where the token was released or the epoch ended. The row gets the sequences of
-- these two facts, so it stands in the order of the journal like any other. Nothing is restored when a
-- trade was missed right after the doubt: then it may have been missed within it, too.
-- Parameters: arrays of equal length, each epoch and token once: journals (journal_key), epochs, doubts
-- (token_id, or '*': all tokens of the epoch); missed (the cause of an end because trades were missed).
-- Rows: none; the row count is the number of spans that are covered now.
with touched as (
  select t.journal_key, t.epoch, t.doubt, a.asset_key
  from unnest(%(journals)b::integer[], %(epochs)b::bigint[], %(doubts)b::text[]) as t (journal_key, epoch, doubt)
  left join lateral (select a.asset_key from public.assets a where a.token_id = t.doubt offset 0) a on true
), ended as (
  select l.* from touched t    -- each a look into the index, as below
  cross join lateral (select * from tracker.listening l where l.journal_key = t.journal_key and l.epoch = t.epoch
                        and l.asset_key = t.asset_key offset 0) l
  union
  select l.* from touched t
  cross join lateral (select * from tracker.listening l where l.journal_key = t.journal_key and l.epoch = t.epoch
                      offset 0) l
  where t.doubt = '*'
), span as (
  select d.journal_key, d.epoch, d.asset_key, array[a.token_id, '*'] as doubts, d.confirmed_seq as since_seq,
         d.released_seq as from_seq, d.until_at as from_at, coalesce(n.confirmed_seq, e.closed_seq) as until_seq,
         case when n.confirmed_seq is null then e.proven_until
              when n.confirmed_seq = n.released_seq then n.until_at else n.from_at end as until_at,
         coalesce(case when n.confirmed_seq is null then e.reason
                       when n.confirmed_seq = n.released_seq then n.cause end, 'taken_in') as cause
  from ended d
  cross join lateral (select a.token_id from public.assets a where a.asset_key = d.asset_key offset 0) a
  cross join lateral (select * from tracker.epochs e where e.journal_key = d.journal_key and e.epoch = d.epoch offset 0) e
  left join lateral (
    select n.confirmed_seq, n.released_seq, n.from_at, n.until_at, n.cause from tracker.listening n
    where n.journal_key = d.journal_key and n.epoch = d.epoch and n.asset_key = d.asset_key
      and n.confirmed_seq > d.released_seq and n.confirmed_seq < e.closed_seq
    order by n.confirmed_seq limit 1) n on true
  where d.cause = 'rejected' and d.confirmed_seq < d.released_seq and d.released_seq < e.closed_seq
    and (n.cause is distinct from %(missed)s or n.until_at > n.from_at)
)
insert into tracker.listening as l
  (journal_key, epoch, asset_key, confirmed_seq, from_at, until_at, released_seq, cause, known_at)
select s.journal_key, s.epoch, s.asset_key, s.from_seq, s.from_at, s.until_at, s.until_seq, s.cause, now()
from span s
where s.until_at > s.from_at
  and exists (select from public.rejected_messages m
              where m.journal_key = s.journal_key and m.epoch = s.epoch and m.doubt = any(s.doubts)
                and m.seq > s.since_seq and m.seq < s.from_seq and m.taken_in_at is not null
              offset 0)
  and not exists (select from public.rejected_messages m
                  where m.journal_key = s.journal_key and m.epoch = s.epoch and m.doubt = any(s.doubts)
                    and m.seq > s.since_seq and m.seq < s.until_seq and m.taken_in_at is null
                  offset 0)
-- An end without a beginning may stand there, which holds no time.
on conflict (journal_key, epoch, asset_key, confirmed_seq) do update
set from_at = excluded.from_at, until_at = excluded.until_at, released_seq = excluded.released_seq,
    cause = excluded.cause, known_at = excluded.known_at
where l.confirmed_seq = l.released_seq
