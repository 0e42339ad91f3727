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

-- Tokens. asset_key is what every other large table has in place of the token id, and none has a foreign key to it: that would
-- cost a look-up a row, and the writer numbers a token in the same transaction, before anything names it. Nor is there one
-- between markets, events and tokens: a trade may name a market before any listing does, and a market an event.
create table public.assets (
  asset_key     integer generated always as identity primary key,
  token_id      text not null unique,
  condition_id  text,
  outcome       text,
  outcome_index integer
);
-- For the tokens of a market; and for those that a trade named and no listing yet, a handful.
create index assets_condition on public.assets (condition_id);
create index assets_unnamed on public.assets (condition_id) where outcome_index is null;

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
-- For readers who know an event by its address.
create index events_slug on public.events (slug text_pattern_ops) where slug is not null;

create table public.markets (
  condition_id       text primary key,
  question           text not null,
  slug               text not null,
  gamma_id           text,
  end_date           timestamptz,
  started_at         timestamptz,
  closed             boolean not null,
  active             boolean not null,
  neg_risk           boolean not null,
  version            text not null,
  volume             numeric(38, 18),
  tags               text[] not null,
  event_id           text,
  neg_risk_market_id text,
  group_title        text,
  game_start         timestamptz,
  closed_time        timestamptz,
  tick_size          numeric(19, 18),
  fee_schedule       jsonb,
  description        text,
  first_seen_at      timestamptz not null default now(),
  updated_at         timestamptz not null default now()
);
-- For readers who know a market by its address, or a series by how its slugs begin. New slugs of a series lie side by side, so
-- adding one touches a page that is in memory, which a hash of them does not.
create index markets_slug on public.markets (slug text_pattern_ops);
-- For readers who look for the siblings of a market (docs/how-to/query.md).
create index markets_event on public.markets (event_id) where event_id is not null;
create index markets_neg_risk on public.markets (neg_risk_market_id) where neg_risk_market_id is not null;

create table public.market_history (
  condition_id text not null,
  known_at     timestamptz not null,
  changes      jsonb not null,
  primary key (condition_id, known_at)
);

-- Writes market_history: the columns of a market that are new or have another value now. With the rights of who changes the
-- market. Functions name their schemas: whatever the session of the caller searches, pg_temp is its own and comes last.
create function tracker.keep_market_history() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
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

-- Rejects what would change recorded rows. Its argument says what holds for the table.
create function tracker.reject_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% %: % is rejected', tg_table_name, tg_argv[0], tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on public.market_history
  for each statement execute function tracker.reject_change('is append-only');
