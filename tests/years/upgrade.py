"""A newer version's migration that takes long, applied while a tracker of this version stores."""

from pathlib import Path

from actors.database.schema import migrate
from actors.database.schema.migration_files import (
    IN_STEPS,
    MAY_WRITE,
    STEP,
    STEP_REPEATED,
    migrations,
)

NAME = "9000_add_notes.sql"
STEPS = (
    # Of all days at once: for a moment nobody else may use the table.
    (STEP, b"alter table tracker.trades add column if not exists note text"),
    (STEP, b"alter table public.events add column if not exists note text"),
    # By this index a repeated step finds what is left at once, however often it is repeated.
    (
        STEP,
        b"""create index concurrently if not exists events_to_note on public.events (event_id)
where note is null""",
    ),
    (
        STEP_REPEATED,
        b"""update public.events set note = '' where event_id in (
  select e.event_id from public.events e where e.note is null order by e.event_id limit 2000)""",
    ),
    (STEP, b"drop index concurrently if exists public.events_to_note"),
)


def upgrade(dsn: str, folder: Path) -> None:
    """Apply it, with all the files of this version before it; they are written to the folder."""
    folder.mkdir(exist_ok=True)
    for each in migrations():
        (folder / each.name).write_bytes(each.text)
    steps = b"\n".join(kind + b"\n" + text for kind, text in STEPS)
    (folder / NAME).write_bytes(b"\n".join((MAY_WRITE, IN_STEPS, steps)))
    if migrate.apply(dsn, folder) != (NAME,):
        raise RuntimeError(f"{NAME} was not what was missing")
