-- Why: names for what the feed only numbers. `assets` gives every token an
--      integer, which is what prints carry instead of 77 digits; a token may be
--      known (wanted, printed) before any market names it, so condition_id,
--      outcome and outcome_index may be NULL for a while.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
create table assets (
  asset_key     integer generated always as identity primary key,
  token_id      text not null unique,
  condition_id  text,
  outcome       text,
  outcome_index integer
);
create index assets_condition on assets (condition_id);

create table markets (
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
  volume        numeric,              -- USDC, as last told
  tags          text[] not null,
  first_seen_at timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);
