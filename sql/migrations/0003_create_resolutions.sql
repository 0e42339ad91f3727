-- Why: verdicts and their evidence. A recorded verdict is never changed: what
--      contradicts it becomes a row of resolution_conflicts. The trigger refuses
--      UPDATE, DELETE and TRUNCATE, whoever asks; an INSERT that meets an
--      existing verdict is left out (ON CONFLICT DO NOTHING).
-- Locks: none that matter, the tables are new. Takes: milliseconds.
create table resolutions (
  condition_id     text primary key,
  kind             text not null check (kind in ('winner', 'split')),
  winning_token_id text check ((winning_token_id is not null) = (kind = 'winner')),
  winning_outcome  text check ((winning_outcome is not null) = (kind = 'winner')),
  payouts          numeric[] not null,          -- in outcome order, sum 1
  resolved_at      timestamptz not null,
  recorded_at      timestamptz not null default now(),
  sources          text[] not null              -- who agreed
);

create table resolution_observations (
  condition_id text not null,
  source       text not null,
  observed_at  timestamptz not null,
  verdict      text not null,       -- 'winner <token id>', 'split', 'other payouts' or 'not final'
  reason       text not null,       -- why it is not final; empty when it is
  payouts      jsonb,               -- [[token id, payout], …] when final
  payload      jsonb not null,      -- what the source said; a JSON string when it was not JSON
  recorded_at  timestamptz not null default now(),
  unique (condition_id, source, observed_at)
);

create table resolution_conflicts (
  condition_id text not null,
  detected_at  timestamptz not null,
  recorded     text not null,
  observed     text not null,
  source       text not null,
  primary key (condition_id, source, detected_at)
);
-- The same contradiction found again, after a restart say, is not a new one.
create unique index resolution_conflicts_once
  on resolution_conflicts (condition_id, source, md5(recorded), md5(observed));

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on resolutions
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on resolution_observations
  for each statement execute function refuse_change();
