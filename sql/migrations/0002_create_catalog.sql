-- Why: the names of what is traded. A token is one outcome of a market, and a market belongs to an event. Trades name a
--      token by a number of ours, which makes the table of trades a third as large.
--   market_history  what was known of a market when: a row with all that was known when it was stored first, and one for
--                   each later change, which has the changed columns and no others. A copy of the whole row for each
--                   change would repeat the description, the most of it, four times or more. The new values and not the
--                   old ones, so that nothing that was known is read from a row that changes. A trigger writes it, so
--                   that no statement can forget to. A year has some 14 million markets with a few changes each: 1.5 kB
--                   for a first row and 0.28 kB for a change, 33 GB, where copies would take 80 GB.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.
create table public.assets (
  asset_key     integer generated always as identity primary key,
  token_id      text not null unique,
  condition_id  text,
  outcome       text,
  outcome_index integer
);
create index assets_condition on public.assets (condition_id);

create table public.events (
  event_id            text primary key,
  slug                text,
  title               text,
  series_slug         text,
  neg_risk            boolean,
  neg_risk_augmented  boolean,
  neg_risk_market_id  text,
  starts_at           timestamptz,
  end_date            timestamptz,
  first_seen_at       timestamptz not null default now(),
  updated_at          timestamptz not null default now()
);

create table public.markets (
  condition_id       text primary key,
  question           text not null,
  slug               text not null,
  gamma_id           text,
  end_date           timestamptz,     -- when trading is planned to end
  started_at         timestamptz,
  closed             boolean not null,    -- trading ended; not that it resolved
  active             boolean not null,
  neg_risk           boolean not null,
  version            text not null,   -- v1 (CTF tokens) or v2 (positions)
  volume             numeric,         -- USDC, as last reported
  tags               text[] not null,
  event_id           text,
  neg_risk_market_id text,            -- of one group at most one resolves Yes
  group_title        text,
  game_start         timestamptz,
  closed_time        timestamptz,
  tick_size          numeric,
  fee_schedule       jsonb,
  description        text,
  first_seen_at      timestamptz not null default now(),
  updated_at         timestamptz not null default now()
);
create index markets_event on public.markets (event_id) where event_id is not null;
create index markets_neg_risk on public.markets (neg_risk_market_id) where neg_risk_market_id is not null;

create table public.market_history (
  condition_id text not null,
  known_at     timestamptz not null,
  changes      jsonb not null,        -- columns of public.markets and their new values
  primary key (condition_id, known_at)
);

create function tracker.keep_market_history() returns trigger language plpgsql
set search_path = pg_catalog set timezone = 'UTC' as $$
declare
  -- They say when and how much, and not what the market is.
  unkept constant text[] := array['condition_id', 'volume', 'first_seen_at', 'updated_at'];
  changed jsonb;
begin
  select jsonb_object_agg(n.key, n.value) into changed
  from jsonb_each(to_jsonb(new) - unkept) n
  left join jsonb_each(to_jsonb(old) - unkept) o using (key)    -- there is no old row when it is stored first
  where n.value <> coalesce(o.value, 'null');
  if changed is not null then
    insert into public.market_history
    select new.condition_id,
           greatest(clock_timestamp(), max(h.known_at) + interval '1 microsecond'),    -- a clock may be set back
           changed
    from public.market_history h where h.condition_id = new.condition_id;
  end if;
  return null;
end
$$;
create trigger keep_history after insert or update on public.markets
  for each row execute function tracker.keep_market_history();

create function tracker.refuse_change() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on public.market_history
  for each statement execute function tracker.refuse_change();

-- Every condition that is known, from a listing or a trade, and has no resolution.
create table tracker.unresolved (
  condition_id text primary key
);
