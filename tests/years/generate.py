"""Builds a database with a stretch of the whole exchange, once for each server version and scale.

    python -m tests.years.generate --scale 0.05

    <place>/<version>-<scale>/pg/data      the cluster of the stopped server
    <place>/<version>-<scale>/state        the journal of the tracker that was killed
    <place>/<version>-<scale>/built.json   written last; without it the folder is made anew

The place is TRACKER_YEARS_DIR, or /var/tmp/tracker-years; each scenario gets a copy (`copied`),
which costs no space where the file system lets copies share blocks (XFS, Btrfs).
TRACKER_YEARS_DESCRIBED=0.05 fills the texts, history, evidence and resolutions of a twentieth of
the ended markets alone, where the disk is too small for all; the folder has it in its name.
Indexes are there from the start: they are as loose as those that a tracker fills.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from actors.database.schema import migrate
from actors.database.schema.migration_files import migrations
from actors.database.server import postgres_binaries
from actors.database.server.embedded import Embedded
from actors.journal.journal import Journal
from tests.years.filling import (
    JOURNAL,
    Part,
    bookkeeping,
    first_parts,
    last_part,
    trades,
    watermark,
)
from tests.years.size import Size

PLACE = Path(os.environ.get("TRACKER_YEARS_DIR", "/var/tmp/tracker-years"))
DESCRIBED = float(os.environ.get("TRACKER_YEARS_DESCRIBED", "1"))
DEFAULT_SCALE = 0.05
SEGMENT_BYTES = 4 * 1024 * 1024
"""Of the journal: small, so that what is committed leaves it soon."""
JOURNAL_BYTES = 8 * 1024 * 1024 * 1024
FAST = (
    *("fsync=off", "full_page_writes=off", "synchronous_commit=off", "wal_level=minimal"),
    *("max_wal_senders=0", "max_wal_size=512MB", "shared_buffers=512MB", "autovacuum=off"),
    *("maintenance_work_mem=256MB", "jit=off"),
)
"""Of the server that fills; a copy is served as the tracker serves its own."""

Say = Callable[[str], None]


class NoSpace(RuntimeError):
    """The disk is too small for a database of this size."""


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def folder_of(size: Size, place: Path = PLACE) -> Path:
    """Return the folder of one size, for the version of the server that is found here."""
    found = postgres_binaries.find_binaries()
    version = postgres_binaries.major_version(found, None)
    part = "" if size.described == 1 else f"-described-{size.described:g}"
    return place / f"{version}-{size.scale:g}{part}"


def built(scale: float, say: Say = say, place: Path = PLACE) -> Path:
    """Return the folder of a database of this scale; build it if need be.

    Raises:
        NoSpace: The disk has not enough space for it and a copy.
    """
    size = Size(scale, DESCRIBED)
    folder = folder_of(size, place)
    if not is_built(folder):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.rmtree(folder)
        require_space(folder.parent, size.disk_bytes(shared=shares_blocks(folder.parent)))
        folder.mkdir(mode=0o755)
        _build(folder, size, say)
    return folder


def is_built(folder: Path) -> bool:
    """Return whether there is a whole database, with the tables of this version."""
    said = folder / "built.json"
    return said.exists() and json.loads(said.read_text(encoding="utf-8")).get("tables") == tables()


def tables() -> str:
    """Return what tells the tables of one version from those of another."""
    texts = (each.checksum for each in migrations())
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def size_of(folder: Path) -> Size:
    """Return the size of a database that was built."""
    said = json.loads((folder / "built.json").read_text(encoding="utf-8"))
    return Size(float(said["scale"]), float(said["described"]))


def shares_blocks(place: Path) -> bool:
    """Return whether copies of files in this folder share their blocks."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        first = Path(name) / "first"
        first.write_bytes(bytes(65_536))
        command = ["cp", "--reflink=always", str(first), str(Path(name) / "second")]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


def require_space(place: Path, wanted: int) -> None:
    """Check the free disk.

    Raises:
        NoSpace: There is less than wanted.
    """
    free = shutil.disk_usage(place).free
    if free < wanted:
        raise NoSpace(
            f"{place} has {free / 1e9:.1f} GB free, and {wanted / 1e9:.1f} GB are needed:"
            " name another place in TRACKER_YEARS_DIR (copies on XFS or Btrfs share their blocks),"
            " a smaller SCALE, or TRACKER_YEARS_DESCRIBED=0.05"
        )


def copied(folder: Path, to: Path) -> None:
    """Copy a built database and its journal, as files, in place of what is there.

    Raises:
        NoSpace: The disk has not enough space.
    """
    shutil.rmtree(to / "pg" / "data", ignore_errors=True)
    data_copied(folder, to)
    shutil.rmtree(to / "state", ignore_errors=True)
    shutil.copytree(folder / "state", to / "state")


def data_copied(folder: Path, to: Path) -> None:
    """Copy the cluster of a built database in place of the one there, whose server is stopped."""
    target = to / "pg" / "data"
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not shares_blocks(target.parent):
        require_space(to, _bytes_of(folder / "pg" / "data"))
    # cp keeps the owner, and shares the blocks where the file system can.
    command = ["cp", "-a", "--reflink=auto", str(folder / "pg" / "data"), str(target)]
    subprocess.run(command, check=True)


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _build(folder: Path, size: Size, say: Say) -> None:
    began = time.monotonic()
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    say(
        f"building {folder}: {size.days:.1f} days, {size.ended_markets:,} markets that ended,"
        f" {2 * size.open_markets:,} open tokens on {size.connections:,} connections,"
        f" {size.trades:,} trades of {size.trade_days:.2f} days; about {size.bytes / 1e9:.1f} GB"
    )
    server = Embedded(folder / "pg", options=FAST)
    server.start()
    try:
        dsn = server.dsn()
        migrate.apply(dsn)
        _fill(dsn, size, until, say)
        journal_id = _journal(folder / "state" / "journal", size)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                b"update tracker.journals set journal_id = %s where journal_key = %s",
                (journal_id, JOURNAL),
            )
    finally:
        server.stop(600)
    said = {
        "scale": size.scale,
        "described": size.described,
        "until": until.isoformat(),
        "tables": tables(),
        "seconds": time.monotonic() - began,
    }
    (folder / "built.json").write_text(json.dumps(said) + "\n", encoding="utf-8")
    say(f"built in {time.monotonic() - began:.0f} s, {_bytes_of(folder) / 1e9:.2f} GB")


def _fill(dsn: str, size: Size, until: datetime, say: Say) -> None:
    _carry_out(dsn, first_parts(size, until), say)
    # Trades and bookkeeping side by side: each keeps a processor busy.
    with ThreadPoolExecutor(2) as both:
        halves = ([trades(size, until)], bookkeeping(size))
        for done in [both.submit(_carry_out, dsn, half, say) for half in halves]:
            done.result()
    _carry_out(dsn, [last_part()], say)
    began = time.monotonic()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(b"vacuum (analyze, freeze)")
    say(f"  {'vacuum analyze':26} {'':>17} {time.monotonic() - began:7.1f} s")


def _carry_out(dsn: str, parts: Iterable[Part], say: Say) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Without the triggers of foreign keys: what refers to a journal is right by construction.
        connection.execute(b"set session_replication_role = replica")
        for part in parts:
            began, rows, told = time.monotonic(), 0, time.monotonic()
            for number, statement in enumerate(part.statements, 1):
                rows += connection.execute(statement.encode()).rowcount
                if time.monotonic() - told > 15:
                    told = time.monotonic()
                    say(f"  {part.table:26} {number:,} of {len(part.statements):,} statements")
            say(f"  {part.table:26} {max(rows, 0):>12,} rows {time.monotonic() - began:7.1f} s")


def _journal(folder: Path, size: Size) -> str:
    """Make the journal of the tracker that was killed: all of it is committed."""
    journal = Journal.open(
        folder, max_bytes=JOURNAL_BYTES, segment_bytes=SEGMENT_BYTES, floor_seq=watermark(size)
    )
    try:
        journal.acknowledge()
        return str(journal.journal_id)
    finally:
        journal.close()


def main() -> int:
    """Build what is asked for; exit code 78 when the disk is too small."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=DEFAULT_SCALE)
    parser.add_argument("--again", action="store_true", help="even if it is there")
    asked = parser.parse_args()
    if asked.again:
        shutil.rmtree(folder_of(Size(asked.scale, DESCRIBED)), ignore_errors=True)
    try:
        say(str(built(asked.scale)))
    except NoSpace as exc:
        say(f"generate: {exc}")
        return 78
    return 0


if __name__ == "__main__":
    sys.exit(main())
