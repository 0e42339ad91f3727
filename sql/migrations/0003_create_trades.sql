-- Why: one row for each trade. `tracker.trades` is what is stored; the view `public.trades` joins the names back.
--      Elsewhere than on TimescaleDB there is a partition for each day; why stands below, at the table.
--      TimescaleDB: hypertable by day, columnstore after two days with explicit settings (the default ones once made
--      the table 2.7 times larger), and no retention: trades cannot be fetched again. There the unique key begins with
--      the token: a late or repeated row into a compressed chunk then costs 0.1 ms instead of 3-9.
--      `alter database … set tracker.timescale = 'off'` (or 'require') before the first start decides; without it
--      TimescaleDB is used where it is.
-- Locks: none that matter, the tables are new. Takes: under a second.
-- Previous versions: must not write.

-- Trades as they are stored; readers have the view public.trades. The identity of a trade is its unique key: exchange time and
-- token as columns, the rest as a 64-bit digest. No foreign key to assets: it would cost one look-up a row, and the writer
-- numbers the token first, in the same transaction. Columns stand by alignment, the widest first, and the side is a boolean:
-- 8 bytes a row less.
-- On plain PostgreSQL the table has a partition for each day (UTC), made before its first row by tracker.add_trade_day. A
-- day's indexes stay small while it is written, and a time span reads its days alone.
-- The unique key begins with the time: it grows at its end alone, so its pages are full (40 bytes a trade; 60 when it began
-- with the token), and it is the index by time as well. trades_asset keeps a list of rows for each token (11 bytes a trade).
-- trades_received_at keeps the smallest and largest time of each 128 pages, for readers who ask what was known when.
-- trades_transaction is for trades_of_transaction(): a Bloom filter for each 64 pages, 1 byte a trade where an index would take
-- 50. -0.17 is a share of the 291 rows that PostgreSQL takes for the most on a page, so a filter is made for 3,166
-- transactions; 64 pages hold some 3,700 trades, several of one transaction among them. So large, two filters fit on a page.
do $timescale$
declare
  wish text := coalesce(nullif(current_setting('tracker.timescale', true), ''), 'auto');
  version text;
  place text;    -- the schema of its functions
begin
  if wish not in ('auto', 'off', 'require') then
    raise exception 'tracker.timescale must be auto, off or require, not %', wish;
  end if;
  -- The setting below exists only where the server preloads the extension's loader.
  if wish <> 'off' and current_setting('timescaledb.max_background_workers', true) is not null
     and exists (select from pg_available_extensions where name = 'timescaledb') then
    begin
      create extension if not exists timescaledb schema public;
    exception when insufficient_privilege then
      raise notice 'TimescaleDB is there, but % may not create the extension', current_user;
    end;
  end if;
  if wish <> 'off' then
    select e.extversion, n.nspname into version, place
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'timescaledb';
  end if;
  if wish = 'require' and version is null then
    raise exception 'TimescaleDB is required by tracker.timescale, but this server does not have it';
  end if;
  -- Called below by their names: another function of that name would be executed in their place.
  if exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = place and p.proname in ('by_range', 'create_hypertable', 'add_columnstore_policy')
               and not exists (select from pg_depend d
                               where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')) then
    raise exception 'schema % has functions with names of TimescaleDB that are not of TimescaleDB: drop them', place;
  end if;
  if version is not null and to_regproc(format('%I.add_columnstore_policy', place)) is null
     and current_setting('timescaledb.license', true) = 'timescale' then
    raise exception 'TimescaleDB % is too old: update it to 2.18.1 or newer, or set tracker.timescale to off', version;
  end if;

  execute $q$create table tracker.trades (
    traded_at        timestamptz not null,    -- the exchange's clock
    received_at      timestamptz not null,    -- ours
    trade_hash       bigint not null,    -- 64 bits of BLAKE2b over price|size|side|transaction|occurrence: they only tell
                                         -- apart trades of one token in one millisecond
    epoch            bigint,    -- journal_key * 2^44 + the number of the epoch in its journal (tracker.epochs): so it is
                                -- unique in the database; NULL, with sequence: the order of receipt is not known
    sequence         bigint,    -- order of receipt in that epoch: 2^20 * (the record's journal sequence - the epoch's
                                -- number) + the place in that record; it orders nothing across epochs
    asset_key        integer not null,
    fee_rate_bps     smallint,
    occurrence       smallint not null check (occurrence > 0),
    is_buy           boolean not null,    -- the taker's side
    -- No more digits than the types of public.trades have, so that no cast there rounds; nor NaN, which is larger than all.
    -- These types here would round what is stored, and say nothing.
    price            numeric not null check (price > 0 and price <= 1 and min_scale(price) <= 18),
    size             numeric not null check (size > 0 and size < 100000000000000000000 and min_scale(size) <= 18),
    transaction_hash bytea,
    trade_id         text,
    extra            jsonb
  )$q$ || case when version is null then ' partition by range (traded_at)' else '' end;
  if version is null then
    alter table tracker.trades add unique (traded_at, asset_key, trade_hash);
    create index trades_asset on tracker.trades (asset_key);
    create index trades_received_at on tracker.trades using brin (received_at) with (autosummarize = on);
    create index trades_transaction on tracker.trades
      using brin (transaction_hash bytea_bloom_ops (n_distinct_per_range = -0.17))
      with (pages_per_range = 64, autosummarize = on);
  else
    alter table tracker.trades add unique (asset_key, traded_at, trade_hash);
    -- The days that tracker.add_trade_day makes elsewhere: each other one would be a chunk.
    alter table tracker.trades add check (traded_at >= '2020-01-01 00:00+00' and traded_at < '2100-01-01 00:00+00');
    execute format($q$select %1$I.create_hypertable('tracker.trades', %1$I.by_range('traded_at', interval '1 day'),
                                             create_default_indexes => false)$q$, place);
    execute $q$create index trades_traded_at on tracker.trades (traded_at)$q$;
    execute $q$create index trades_received_at on tracker.trades (received_at)$q$;
    -- Beside append_only, below, which a statement that names a chunk alone does not meet.
    execute $q$create trigger append_only_rows before update or delete on tracker.trades
               for each row execute function tracker.reject_change('is append-only')$q$;
  end if;
  if version is not null and current_setting('timescaledb.license', true) = 'timescale' then
    execute $q$alter table tracker.trades set (timescaledb.enable_columnstore, timescaledb.segmentby = '',
                                       timescaledb.orderby = 'asset_key, traded_at')$q$;
    execute format($q$call %I.add_columnstore_policy('tracker.trades', after => interval '2 days')$q$, place);
  end if;
end
$timescale$;

-- Rows of trades are added, and never changed or removed by a statement. Each day has the trigger as well (add_trade_day):
-- a statement may name a day alone. Whoever owns a day may drop it as a whole.
create trigger append_only before update or delete or truncate on tracker.trades
  for each statement execute function tracker.reject_change('is append-only');

-- Makes the partition of a day, if it is not there. Attached and not created as a partition: that would wait for every
-- reader. With the rights of its owner, since a tracker that only writes may create no table. Two trackers do not make the
-- same day at once: the lock is one that attaching takes anyway, that storing and reading do not wait for, and that nobody
-- may take who may only read or store.
-- Only days of which trades are taken, from 2020-01-01 to 2099-12-31. Nothing depends on the caller's session: in another time
-- zone or style of dates the bounds would be written in a way that is read as other bounds, and a day that has a partition
-- with other bounds could never be made. What only has the name of a day is not taken for it.
create function tracker.add_trade_day(day date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
declare
  first constant date := '2020-01-01';
  last constant date := '2099-12-31';
  name constant text := 'trades_' || to_char(day, 'YYYY_MM_DD');
  named regclass;
  bounds text;
begin
  if (select relkind from pg_class where oid = 'tracker.trades'::regclass) <> 'p' then
    return;
  end if;
  if day is null or day not between first and last then
    raise exception 'add_trade_day: the day must be from % to %, not %', first, last, day
      using errcode = 'invalid_parameter_value';
  end if;
  named := to_regclass('tracker.' || name);
  if named is null then
    lock table tracker.trades in share update exclusive mode;
    named := to_regclass('tracker.' || name);    -- another one may have made it meanwhile
  end if;
  bounds := format('for values from (%L) to (%L)',
                   day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
  if named is not null then
    if not exists (select from pg_inherits h join pg_class c on c.oid = h.inhrelid
                   where h.inhrelid = named and h.inhparent = 'tracker.trades'::regclass and not h.inhdetachpending
                     and lower(pg_get_expr(c.relpartbound, c.oid)) = bounds) then
      raise exception 'tracker.% is not the partition of tracker.trades for that day (%)', name, bounds
        using errcode = 'object_not_in_prerequisite_state',
              hint = 'Look what it is and rename it, then the day is made.';
    end if;
    return;
  end if;
  execute format('create table tracker.%I (like tracker.trades including defaults including constraints)', name);
  execute format('create trigger append_only before update or delete or truncate on tracker.%I'
                 ' for each statement execute function tracker.reject_change(''is append-only'')', name);
  execute format('alter table tracker.trades attach partition tracker.%I %s', name, bounds);
end
$$;
revoke all on function tracker.add_trade_day from public;
