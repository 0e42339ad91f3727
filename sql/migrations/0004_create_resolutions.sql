-- Why: how each market ended, and all that proves it. A resolution is recorded once and never changed: what is learned
--      later is a row of its own, a confirmation or a contradiction. What each token paid is recorded with it, by token:
--      a later listing cannot move it. An observation is kept when a source says something new.
-- Locks: none that matter, the tables are new. Takes: milliseconds.
-- Previous versions: must not write.

-- What a market pays stands in three places, which mean three things. resolution_observations.payouts: what one source said,
-- right or wrong. resolution_payouts: what was decided for each token; this is the label. resolutions.payouts: the same numbers
-- in the order of outcome_index, as they stood when the resolution was recorded. None has a foreign key to markets or assets:
-- a resolution is right whether or not a listing of its market is stored.
create table public.resolutions (
  condition_id     text primary key,
  kind             text not null check (kind in ('winner', 'split')),
  winning_token_id text check ((winning_token_id is not null) = (kind = 'winner')),
  winning_outcome  text check (winning_outcome is null or kind = 'winner'),
  payouts          numeric(19, 18)[] not null,
  resolved_at      timestamptz not null,
  recorded_at      timestamptz not null default now(),
  sources          text[] not null
);

create table public.resolution_payouts (
  condition_id text not null,
  token_id     text not null,
  outcome      text,
  payout       numeric(19, 18) not null check (payout >= 0 and payout <= 1),
  primary key (condition_id, token_id)
);
-- For the label of a token. By its hash: 36 bytes a token, where a B-tree takes 138, and nobody asks for an order of tokens.
create index resolution_payouts_token on public.resolution_payouts using hash (token_id);

create table public.resolution_confirmations (
  condition_id text not null,
  source       text not null,
  confirmed_at timestamptz not null,
  recorded_at  timestamptz not null default now(),
  primary key (condition_id, source)
);

create table public.resolution_observations (
  condition_id text not null,
  source       text not null,
  observed_at  timestamptz not null,
  verdict      text not null,
  reason       text not null,
  payouts      jsonb,
  payload      jsonb not null,
  recorded_at  timestamptz not null default now(),
  mapped_by    text[] not null default '{}',
  generated_at timestamptz,
  naming       text not null default 'token id',
  names        jsonb,
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
  cleared_by   text,
  recorded_at  timestamptz not null default now(),
  clearance_recorded_at timestamptz,
  check ((cleared_by is null) = (cleared_at is null)),
  -- A source may contradict again later, so the time is in the key; what opens several at once dates them apart by 1 µs.
  primary key (condition_id, kind, source, detected_at)
);
-- An open contradiction is one row, told from either side and by any source.
create unique index resolution_conflicts_open
  on public.resolution_conflicts (condition_id, kind, least(md5(recorded), md5(observed)), greatest(md5(recorded), md5(observed)))
  where cleared_at is null;

-- Our own memory of every condition that is known, from a listing or a trade, and has no resolution, so that a step through
-- those reads no other market. (Which of them should have one by now is the view public.unresolved_markets.) The commit of the
-- resolution deletes the row. It may be left behind when one tracker stores the market while another one records its
-- resolution, in the same moment; so whoever reads this table looks into resolutions, too.
create table tracker.unresolved (
  condition_id text primary key
);

-- reject_change() stands in the catalog, where it is used first.
create trigger append_only before update or delete or truncate on public.resolutions
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before update or delete or truncate on public.resolution_observations
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before update or delete or truncate on public.resolution_payouts
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before update or delete or truncate on public.resolution_confirmations
  for each statement execute function tracker.reject_change('is append-only');
create trigger append_only before delete or truncate on public.resolution_conflicts
  for each statement execute function tracker.reject_change('keeps its rows, which may only be cleared');

-- For the rechecks of a resolution, which fall due so long after it was recorded.
create index resolutions_recorded_at on public.resolutions (recorded_at);
-- For when evidence was written last: after an absence, what fell due since then is made up for.
create index resolution_observations_recorded_at on public.resolution_observations (recorded_at);
