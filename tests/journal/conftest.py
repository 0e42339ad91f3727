"""Journals on a disk in memory, for every test module that names this plugin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.journal.journal import MIB, Journal
from tests.journal.journal_model import MemoryDisk, Open

NEVER_S = 3600.0


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


@pytest.fixture
def opened(disk: MemoryDisk) -> Iterator[Open]:
    """Opens journals that sync only when asked to."""
    journals: list[Journal] = []

    def open_journal(on: MemoryDisk | None = None, **settings: Any) -> Journal:
        settings = {"max_bytes": 64 * MIB, "reserve_bytes": 0, **settings}
        journal = Journal.open(
            Path("journal"), disk=on or disk, sync_interval_s=NEVER_S, **settings
        )
        journals.append(journal)
        return journal

    yield open_journal
    for journal in journals:
        journal._syncer.stop()
