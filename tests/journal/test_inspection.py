"""What a check says of a journal is what a start says, and nothing is changed."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import EXIT_CONFIG, JournalUnreadable
from actors.journal.inspection import inspect, is_locked
from actors.journal.journal import MIB, Journal

SEGMENT = "seg-00000000000000000001.log"


def opened(path: Path) -> Journal:
    return Journal.open(path, max_bytes=64 * MIB, reserve_bytes=0, sync_interval_s=3600.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the directory of a journal with a record."""
    journal = opened(tmp_path / "journal")
    journal.append(b"x")
    journal.close()
    return tmp_path / "journal"


def _file(path: Path) -> str:
    path.rename(path.with_name("away"))
    path.write_text("x")
    return str(path)


def _dangling(path: Path) -> str:
    path.rename(path.with_name("away"))
    path.symlink_to("/nonexistent/journal")
    return str(path)


def _in_place_of(name: str, make: Callable[[Path], object]) -> Callable[[Path], str]:
    def broken(path: Path) -> str:
        (path / name).unlink(missing_ok=True)
        make(path / name)
        return str(path / name)

    return broken


def _newer(path: Path) -> str:
    data = bytearray((path / SEGMENT).read_bytes())
    data[4] = 9
    data[72:76] = zlib.crc32(bytes(data[:72])).to_bytes(4, "little")
    (path / SEGMENT).write_bytes(data)
    return "format 9"


BROKEN: dict[str, Callable[[Path], str]] = {
    "a file in its place": _file,
    "a symbolic link to nothing in its place": _dangling,
    "a newer format": _newer,
    **{
        f"{name} is {what}": _in_place_of(name, make)
        for name in ("journal-id", SEGMENT, "unmet")
        for what, make in {
            "a directory": Path.mkdir,
            "a symbolic link to nothing": lambda path: path.symlink_to("/nonexistent/x"),
            "a symbolic link to a file": lambda path: path.symlink_to("/etc/hostname"),
            "a named pipe": os.mkfifo,
        }.items()
    },
}


def content(path: Path) -> list[tuple[str, int]]:
    return sorted((str(each), each.lstat().st_mtime_ns) for each in path.rglob("*"))


@pytest.mark.timeout(20)  # a named pipe must not be waited for
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_journal_that_cannot_be_opened_is_named(
    path: Path, broken: Callable[[Path], str]
) -> None:
    named = broken(path)
    before = content(path.parent)
    with pytest.raises(JournalUnreadable) as told:
        inspect(path)
    assert content(path.parent) == before
    assert named in str(told.value)
    with pytest.raises(JournalUnreadable) as at_start:
        opened(path)
    assert named in str(at_start.value)
    assert at_start.value.exit_code == EXIT_CONFIG


def test_a_whole_one_and_one_that_is_not_made_yet_are_well(path: Path, tmp_path: Path) -> None:
    before = content(tmp_path)
    assert not inspect(path)
    assert not inspect(tmp_path / "new" / "journal")
    assert content(tmp_path) == before


def test_damage_that_a_start_repairs_is_no_fault(path: Path) -> None:
    (path / "journal-id").write_text("zzz")
    (path / SEGMENT).write_bytes(os.urandom(5000))
    (path / "x.tmp").mkdir()
    (path / "x.tmp").rmdir()
    assert not inspect(path)
    opened(path).close()


def test_that_a_tracker_works_on_it_is_told_and_does_not_hinder_it(path: Path) -> None:
    if not Path("/proc/locks").exists():
        pytest.skip("the system does not say who has locked what")
    journal = opened(path)
    assert inspect(path)
    journal.append(b"y")
    journal.close()
    assert not inspect(path)
    assert not is_locked(path / "nonexistent")
