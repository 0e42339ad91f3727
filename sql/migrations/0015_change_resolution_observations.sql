-- Why: two sources confirm each other only when neither takes the other's word for which token is meant, and an
--      answer out of a cache is as old as it was made. Both must be known again after a restart.
--      Rows from before this file count as made when they were observed, and as mapped by their own source.
-- Locks: ACCESS EXCLUSIVE on resolution_observations, for milliseconds: no row is rewritten.
-- Previous versions: may go on writing.
alter table resolution_observations
  add column mapped_by text[] not null default '{}',    -- other sources by which its tokens are known
  add column generated_at timestamptz;                  -- when the answer was made; NULL: when it was observed
