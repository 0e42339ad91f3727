-- Returns some tokens that are wanted, in the order of their journals. Trackers that were given up before a time are left out:
-- those that were retired, and those that had not been seen for a day.
-- Parameters: since (timestamptz), until (timestamptz), journal, after (asset_key: behind this of that journal), rows.
-- Rows: journal_key, asset_key, whether it was wanted before `until`.
select w.journal_key, w.asset_key, w.from_at < %(until)s
from (select j.journal_key from tracker.journals j
      cross join lateral (select coalesce(p.stopped_at, p.alive_at) as seen_at from tracker.process_life p
                          where p.journal_key = j.journal_key order by p.start_seq desc limit 1) last
      where j.journal_key >= %(journal)s and coalesce(j.retired_at, 'infinity') > %(since)s
        and last.seen_at > %(since)s::timestamptz - interval '24 hours'
      order by j.journal_key) j
cross join lateral (
  select o.journal_key, o.asset_key, o.from_at from tracker.wanted o
  where o.journal_key = j.journal_key and o.until_at is null
    and o.asset_key > case when j.journal_key = %(journal)s then %(after)s else 0 end
  order by o.asset_key limit %(rows)s) w
order by 1, 2 limit %(rows)s
