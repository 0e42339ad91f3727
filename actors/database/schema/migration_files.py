"""The files of sql/migrations: their names, what they allow, and their steps.

A file is carried out in one transaction, or, where its head says so, in steps that are committed
one by one: what takes long or changes many rows holds its locks for a step alone that way.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from actors.database import queries

MIGRATIONS: Final = queries.SQL / "migrations"
MAY_WRITE: Final = b"-- Previous versions: may go on writing."
MUST_NOT_WRITE: Final = b"-- Previous versions: must not write."
"""One of these is a line at the head of each migration."""
IN_STEPS: Final = b"-- In steps: each is committed alone."
"""A line at the head of a migration that is carried out in steps. After a crash it is carried out
again from its first step, so each step must be right when it was carried out before."""
STEP: Final = b"-- Step."
STEP_REPEATED: Final = b"-- Step, until it changes no row."
"""One of these is the line above each step, which is a single statement."""


class Step(msgspec.Struct, frozen=True):
    """One statement of a migration in steps.

    Attributes:
        text: The statement.
        is_repeated: Carry it out until it changes no row.
    """

    text: bytes
    is_repeated: bool = False


class Migration(msgspec.Struct, frozen=True):
    """One file of sql/migrations."""

    name: str
    text: bytes

    @property
    def checksum(self) -> str:
        """Return the sha256 of the file, hexadecimal."""
        return sha256(self.text).hexdigest()

    @property
    def previous_may_write(self) -> bool:
        """Return whether a tracker that lacks this file may write during and after it.

        That is every version before it, and not only the last one.
        """
        return MAY_WRITE in self.text.splitlines()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the statements that are committed one by one; none: one transaction for all.

        Raises:
            ValueError: It has none, though its head says so, or it forbids older versions to
                write: between two steps nothing could keep them out.
        """
        lines = self.text.splitlines()
        if IN_STEPS not in lines:
            return ()
        begins = [number for number, line in enumerate(lines) if line in (STEP, STEP_REPEATED)]
        if not begins:
            raise ValueError(f"{self.name}: in steps, and no line `{STEP.decode()}`")
        if not self.previous_may_write:
            raise ValueError(f"{self.name}: in steps, so older versions must be allowed to write")
        ends = [*begins[1:], len(lines)]
        return tuple(
            Step(b"\n".join(lines[begin + 1 : end]).strip(), lines[begin] == STEP_REPEATED)
            for begin, end in zip(begins, ends, strict=True)
        )


def migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Return all migrations of a folder in the order of their numbers."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return tuple(Migration(name=file.name, text=file.read_bytes()) for file in files)
