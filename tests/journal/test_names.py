"""The names of the journal on the disk: a journal that would not be found again says so.

Its directory and its segments are held open, so everything goes on when somebody deletes them,
moves them away or puts others in their place. The next process would not find them.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.journal.filesystem import Disk
from actors.journal.journal import MIB, Journal
from tests.journal.conftest import NEVER_S
from tests.journal.journal_model import MemoryDisk, Open, content, entries, fill

SEGMENT = 200
"""Bytes of a segment: a few records of `fill` each."""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state directory that is reached by a link, as the one of systemd is."""
    (tmp_path / "private").mkdir()
    (tmp_path / "state").symlink_to("private")
    return tmp_path / "state"


@pytest.fixture
def on_disk(state: Path) -> Iterator[Callable[..., Journal]]:
    """Opens a journal on the real disk that syncs only when asked to."""
    journals: list[Journal] = []

    def open_journal(**settings: Any) -> Journal:
        known: dict[str, Any] = {"max_bytes": MIB, "reserve_bytes": 0, "segment_bytes": SEGMENT}
        journals.append(
            Journal.open(state / "journal", sync_interval_s=NEVER_S, **{**known, **settings})
        )
        return journals[-1]

    yield open_journal
    for journal in journals:
        journal.close()


def delete_all(state: Path) -> None:
    shutil.rmtree(state.resolve())


def delete_journal(state: Path) -> None:
    shutil.rmtree(state / "journal")


def move_away(state: Path) -> None:
    state.resolve().rename(state.parent / "away")


def move_back(state: Path) -> None:
    (state.parent / "away").rename(state.parent / "private")


def replace(state: Path) -> None:
    move_away(state)
    (state.parent / "private" / "journal").mkdir(parents=True)


def replace_back(state: Path) -> None:
    shutil.rmtree(state.parent / "private")
    move_back(state)


def point_elsewhere(state: Path) -> None:
    (state.parent / "other" / "journal").mkdir(parents=True)
    state.unlink()
    state.symlink_to("other")


def point_back(state: Path) -> None:
    state.unlink()
    state.symlink_to("private")


def segments(state: Path) -> list[Path]:
    return sorted((state / "journal").glob("seg-*.log"))


def delete_last(state: Path) -> None:
    segments(state)[-1].unlink()


def move_first(state: Path) -> None:
    segments(state)[0].rename(state / "kept")


def move_first_back(state: Path) -> None:
    (state / "kept").rename(state / "journal" / "seg-00000000000000000001.log")


def replace_last(state: Path) -> None:
    copy = state / "journal" / "copy"
    shutil.copy(segments(state)[-1], copy)
    copy.rename(segments(state)[-1])


FAULTS = [
    (delete_all, None, "was deleted"),
    (delete_journal, None, "was deleted"),
    (move_away, move_back, "was moved away"),
    (replace, replace_back, "is another directory"),
    (point_elsewhere, point_back, "is another directory"),
    (delete_last, None, "seg-"),
    (move_first, move_first_back, "seg-00000000000000000001.log"),
    (replace_last, None, "seg-"),
]


@pytest.mark.parametrize(("fault", "mend", "says"), FAULTS)
def test_a_journal_that_would_not_be_found_again_says_so_until_it_is_put_back(
    state: Path,
    on_disk: Callable[..., Journal],
    fault: Callable[[Path], None],
    mend: Callable[[Path], None] | None,
    says: str,
) -> None:
    journal = on_disk()
    fill(journal, 20)
    journal.sync()
    assert journal.stats().gone == ""

    fault(state)
    gone = journal.stats().gone
    assert str(state / "journal") in gone
    assert says in gone

    if mend is not None:
        mend(state)
        assert journal.stats().gone == ""


def test_what_is_appended_after_the_deletion_can_be_read_and_stored(
    state: Path, on_disk: Callable[..., Journal]
) -> None:
    """The database may be away then; when it is back, what waits is in no file with a name."""
    journal = on_disk()
    fill(journal, 1)
    delete_all(state)
    fill(journal, 100)
    journal.sync()
    journal.acknowledge()
    assert content(journal) == entries(1, 101)
    assert journal.stats().oldest_ns is not None
    journal.release(102)
    fill(journal, 1)
    assert content(journal, 102) == entries(102, 102)


def test_a_cap_that_rises_after_the_deletion_ends_nothing(
    state: Path, on_disk: Callable[..., Journal]
) -> None:
    cap = MIB
    journal = on_disk(max_bytes=lambda _: cap, reserve_bytes=MIB)
    delete_all(state)
    cap = 2 * MIB
    assert journal.stats().cap_bytes == cap
    fill(journal, 1)


def test_a_directory_that_cannot_be_looked_at_is_reported(
    state: Path, on_disk: Callable[..., Journal]
) -> None:
    class Stale(Disk):
        stale = False

        def place(self, directory: int, path: Path) -> Any:
            if self.stale:
                raise OSError(116, "Stale file handle")
            return super().place(directory, path)

    disk = Stale()
    journal = on_disk(disk=disk)
    assert journal.stats().gone == ""
    disk.stale = True
    assert journal.stats().gone == f"{state / 'journal'} cannot be looked at: Stale file handle"


def test_segments_that_come_and_go_are_not_missed(disk: MemoryDisk, opened: Open) -> None:
    journal = opened(segment_bytes=SEGMENT)
    for _ in range(40):
        fill(journal, 3)
        assert journal.stats().gone == ""
        journal.release(journal.next_seq - 4)
        assert journal.stats().gone == ""
    disk.fail("sync_data", 5)
    journal.sync()
    assert journal.stats().gone == ""


def test_a_segment_that_is_released_while_names_are_read_is_not_missed(
    disk: MemoryDisk, opened: Open
) -> None:
    journal = opened(segment_bytes=SEGMENT)
    fill(journal, 30)
    released: list[int] = []

    def release() -> None:
        released.append(len(disk.segments))
        journal.release(25)
        released.append(len(disk.segments))

    disk.on("names", 1, release)
    assert journal.stats().gone == ""
    assert released[0] > released[1]


def test_a_state_directory_that_others_may_change_is_named_until_that_is_undone(
    state: Path, on_disk: Callable[..., Journal]
) -> None:
    journal = on_disk()
    before = state.stat().st_mode
    assert journal.stats().exposed == ""
    state.chmod(0o777)
    assert str(state) in journal.stats().exposed
    state.chmod(before)
    assert journal.stats().exposed == ""
