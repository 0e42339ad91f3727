-- Why: how each market ended, and all that proves it. A resolution is recorded once and never changed: what is learned
--      later is a row of its own, a confirmation or a contradiction. What each token paid is recorded with it, by token:
--      a later listing cannot move it. An observation is kept when a source says something new.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.
create table public.resolutions (
  condition_id     text primary key,
  kind             text not null check (kind in ('winner', 'split')),
  winning_token_id text check ((winning_token_id is not null) = (kind = 'winner')),
  winning_outcome  text check (winning_outcome is null or kind = 'winner'),    -- NULL, too: the name is disputed
  payouts          numeric[] not null,          -- in outcome order, sum 1
  resolved_at      timestamptz not null,
  recorded_at      timestamptz not null default now(),
  sources          text[] not null              -- who agreed
);

create table public.resolution_payouts (
  condition_id text not null,
  token_id     text not null,
  outcome      text,                -- its name then; NULL: the sources disagreed about it
  payout       numeric not null check (payout >= 0 and payout <= 1),
  primary key (condition_id, token_id)
);

create table public.resolution_confirmations (
  condition_id text not null,
  source       text not null,
  confirmed_at timestamptz not null,    -- when its answer was observed
  recorded_at  timestamptz not null default now(),
  primary key (condition_id, source)
);

create table public.resolution_observations (
  condition_id text not null,
  source       text not null,
  observed_at  timestamptz not null,
  verdict      text not null,       -- 'winner <token id>', 'split', 'other payouts' or 'not final'
  reason       text not null,       -- why it is not final; empty when it is
  payouts      jsonb,               -- [[token id, payout], …] when final
  payload      jsonb not null,      -- what the source said; a JSON string when it was not JSON
  recorded_at  timestamptz not null default now(),
  mapped_by    text[] not null default '{}',    -- other sources by which its tokens are known
  generated_at timestamptz,         -- when the answer was made; NULL: when it was observed
  naming       text not null default 'token id',    -- how it names the token that pays
  names        jsonb,               -- {token id: name of its outcome}; NULL: it tells none
  unique (condition_id, source, observed_at)
);

create table public.resolution_conflicts (
  condition_id text not null,
  detected_at  timestamptz not null,
  recorded     text not null,
  observed     text not null,
  source       text not null,
  kind         text not null default 'outcome' check (kind in ('outcome', 'mapping')),
  cleared_at   timestamptz,
  cleared_by   text,                -- why it is none any more
  check ((cleared_by is null) = (cleared_at is null)),
  primary key (condition_id, kind, source, detected_at)
);
-- An open contradiction is one row, told from either side and by any source.
create unique index resolution_conflicts_open
  on public.resolution_conflicts (condition_id, kind, least(md5(recorded), md5(observed)), greatest(md5(recorded), md5(observed)))
  where cleared_at is null;

create trigger append_only before update or delete or truncate on public.resolutions
  for each statement execute function tracker.refuse_change();
create trigger append_only before update or delete or truncate on public.resolution_observations
  for each statement execute function tracker.refuse_change();
create trigger append_only before update or delete or truncate on public.resolution_payouts
  for each statement execute function tracker.refuse_change();
create trigger append_only before update or delete or truncate on public.resolution_confirmations
  for each statement execute function tracker.refuse_change();
create trigger append_only before delete or truncate on public.resolution_conflicts
  for each statement execute function tracker.refuse_change();

create index resolutions_recorded_at on public.resolutions (recorded_at);
create index resolution_observations_recorded_at on public.resolution_observations (recorded_at);
