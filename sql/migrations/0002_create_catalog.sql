-- Why: the names of what is traded. A token is one outcome of a market. Trades name it by a number of ours, which makes
--      the table of trades a third as large.
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

create table public.markets (
  condition_id  text primary key,
  question      text not null,
  slug          text not null,
  gamma_id      text,
  end_date      timestamptz,          -- when trading is planned to end
  started_at    timestamptz,
  closed        boolean not null,     -- trading ended; not that it resolved
  active        boolean not null,
  neg_risk      boolean not null,
  version       text not null,        -- v1 (CTF tokens) or v2 (positions)
  volume        numeric,              -- USDC, as last reported
  tags          text[] not null,
  first_seen_at timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);

-- Every condition that is known, from a listing or a trade, and has no resolution.
create table tracker.unresolved (
  condition_id text primary key
);
