-- Why: one row for each trade printed. `prints` is what is stored, the view
--      `trades` joins the names back, `candles_1m` sums up by the minute.
--      The unique key is the identity of a print: token and exchange time as
--      columns, the rest as a 64-bit digest. It begins with the token, so that
--      it also answers "prints of this token from … to …", and so that a late
--      or repeated row into a compressed chunk costs 0.05 ms instead of 3-9.
--      No foreign key to assets: it would cost one look-up a row, and the writer
--      numbers the token first, in the same transaction.
--      TimescaleDB: hypertable by day, columnstore after two days with explicit
--      settings (the default ones once made the table 2.7 times larger), a
--      real-time continuous aggregate, and no retention: raw trades cannot be
--      fetched again. Elsewhere a plain table, a BRIN index and a plain view.
--      `alter database … set tracker.timescale = 'off'` (or 'require') before
--      the first start decides; without it TimescaleDB is used where it is.
-- Locks: none that matter, the tables are new. Takes: under a second.
create table prints (
  traded_at        timestamptz not null,
  received_at      timestamptz not null,
  print_hash       bigint not null,
  asset_key        integer not null,
  fee_rate_bps     integer,
  occurrence       integer not null check (occurrence > 0),
  side             text not null check (side in ('BUY', 'SELL')),
  price            numeric not null check (price > 0 and price <= 1),
  size             numeric not null check (size > 0 and size < 'Infinity'),
  transaction_hash bytea,
  trade_id         text,
  extra            jsonb,
  unique (asset_key, traded_at, print_hash)
);

create view trades as
select p.traded_at, p.received_at, a.condition_id, a.token_id, a.outcome, p.price, p.size, p.side,
       p.fee_rate_bps, '0x' || encode(p.transaction_hash, 'hex') as transaction_hash, p.occurrence,
       p.trade_id, p.extra
from prints p join assets a using (asset_key);

do $timescale$
declare
  wish text := coalesce(nullif(current_setting('tracker.timescale', true), ''), 'auto');
  version text;
begin
  if wish not in ('auto', 'off', 'require') then
    raise exception 'tracker.timescale must be auto, off or require, not %', wish;
  end if;
  -- The setting below exists only where the server preloads the extension's loader.
  if wish <> 'off' and current_setting('timescaledb.max_background_workers', true) is not null
     and exists (select from pg_available_extensions where name = 'timescaledb') then
    begin
      create extension if not exists timescaledb;
    exception when insufficient_privilege then
      raise notice 'TimescaleDB is there, but % may not create the extension', current_user;
    end;
  end if;
  if wish <> 'off' then
    select extversion into version from pg_extension where extname = 'timescaledb';
  end if;
  if wish = 'require' and version is null then
    raise exception 'TimescaleDB is required by tracker.timescale, but this server does not have it';
  end if;
  if version is not null and to_regproc('add_columnstore_policy') is null
     and current_setting('timescaledb.license', true) = 'timescale' then
    raise exception 'TimescaleDB % is too old: update it to 2.18 or newer, or set tracker.timescale to off', version;
  end if;

  if version is null then
    create index prints_traded_at on prints using brin (traded_at);
  else
    execute $q$select create_hypertable('prints', by_range('traded_at', interval '1 day'),
                                        create_default_indexes => false)$q$;
  end if;
  if version is not null and current_setting('timescaledb.license', true) = 'timescale' then
    execute $q$alter table prints set (timescaledb.enable_columnstore, timescaledb.segmentby = '',
                                       timescaledb.orderby = 'asset_key, traded_at')$q$;
    execute $q$call add_columnstore_policy('prints', after => interval '2 days')$q$;
    execute $q$create materialized view candles_1m
               with (timescaledb.continuous, timescaledb.materialized_only = false) as
               select asset_key, time_bucket(interval '1 minute', traded_at) as bucket,
                      first(price, traded_at) as open, max(price) as high, min(price) as low,
                      last(price, traded_at) as close, sum(size) as volume, count(*) as trades
               from prints group by 1, 2 with no data$q$;
    execute $q$select add_continuous_aggregate_policy('candles_1m', start_offset => interval '3 days',
                      end_offset => interval '2 minutes', schedule_interval => interval '1 minute')$q$;
  else
    create view candles_1m as
    select asset_key, date_bin(interval '1 minute', traded_at, timestamptz '2000-01-01 00:00:00+00') as bucket,
           (array_agg(price order by traded_at))[1] as open, max(price) as high, min(price) as low,
           (array_agg(price order by traded_at desc))[1] as close, sum(size) as volume, count(*) as trades
    from prints group by 1, 2;
  end if;
end
$timescale$;
