-- Locks the journal's watermark until the end of the transaction, and moves it, never back:
-- two writers of one journal wait for each other here, and all for a migration that they must not
-- write during. A session that does not store this journal any more moves nothing.
-- Parameters: journal (journal_key), watermark (journal sequence; null: nothing moves),
-- session (uuid; null: any), known (names of the migrations that this version has).
-- Rows: one, or none when another session stores the journal: the watermark before and after the move;
-- the first migration that forbids this version to write, or NULL; what set_session has left in this
-- session, or NULL, also where the commit would not be durable any more.
update tracker.journal_progress p
set mark = greatest(p.mark, %(watermark)s),
    moved_at = case when %(watermark)s::bigint is null then p.moved_at else now() end
from (select mark from tracker.journal_progress where journal_key = %(journal)s for no key update) before
where p.journal_key = %(journal)s and (%(session)s::uuid is null or p.session = %(session)s::uuid)
returning before.mark, p.mark,
  (select min(m.name) from tracker.schema_migrations m
   where m.name <> all(%(known)s::text[])
     and not coalesce((to_jsonb(m) ->> 'previous_may_write')::boolean, false)),
  case when current_setting('synchronous_commit') <> 'off' then current_setting('tracker.session', true) end
