"""The disk in memory that the journal's tests rely on does what the real one does."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actors.journal.filesystem import Disk
from tests.clocks import HOUR_S, clocks
from tests.journal.journal_model import MemoryDisk


@pytest.fixture(params=[Disk, MemoryDisk])
def disk(request: pytest.FixtureRequest) -> Disk:
    kind: Callable[[], Disk] = request.param
    return kind()


@pytest.fixture
def directory(disk: Disk, tmp_path: Path) -> Iterator[int]:
    fd = disk.open_directory(tmp_path / "a" / "b")
    yield fd
    disk.close(fd)


def write(disk: Disk, fd: int, data: bytes) -> None:
    assert disk.write(fd, memoryview(data)) == len(data)


def test_what_is_written_is_read_from_any_place(disk: Disk, directory: int) -> None:
    fd = disk.create(directory, "x")
    write(disk, fd, b"hello ")
    write(disk, fd, b"world")
    disk.sync_data(fd)
    disk.sync(fd)
    disk.close(fd)
    fd = disk.open_read(directory, "x")
    assert disk.pread(fd, 100, 6) == b"world"
    assert disk.pread(fd, 2, 0) == b"he"
    assert disk.pread(fd, 2, 99) == b""
    assert disk.size(fd) == 11
    disk.close(fd)


def test_a_cut_file_grows_again_from_the_cut(disk: Disk, directory: int) -> None:
    fd = disk.create(directory, "x")
    write(disk, fd, b"hello world")
    disk.truncate(fd, 5)
    write(disk, fd, b"!")
    assert disk.pread(fd, 100, 0) == b"hello!"
    disk.close(fd)
    fd = disk.open_append(directory, "x")
    write(disk, fd, b"?")
    assert disk.pread(fd, 100, 0) == b"hello!?"
    disk.close(fd)


def test_a_file_is_made_once(disk: Disk, directory: int) -> None:
    disk.close(disk.create(directory, "x"))
    with pytest.raises(FileExistsError):
        disk.create(directory, "x")


def test_a_file_that_is_not_there_is_not_found(disk: Disk, directory: int) -> None:
    for call in (disk.open_read, disk.open_append, disk.unlink):
        with pytest.raises(FileNotFoundError):
            call(directory, "x")


def test_a_new_name_takes_the_place_of_an_old_file(disk: Disk, directory: int) -> None:
    for name in ("x", "y"):
        fd = disk.create(directory, name)
        write(disk, fd, name.encode())
        disk.close(fd)
    disk.rename(directory, "x", "y")
    disk.sync(directory)
    assert disk.names(directory) == ["y"]
    fd = disk.open_read(directory, "y")
    assert disk.pread(fd, 9, 0) == b"x"
    disk.unlink(directory, "y")
    assert disk.pread(fd, 9, 0) == b"x", "an open file outlives its name"
    disk.close(fd)
    assert disk.names(directory) == []


def test_allocated_bytes_are_there(disk: Disk, directory: int) -> None:
    fd = disk.create(directory, "x")
    disk.allocate(fd, 9000)
    assert disk.size(fd) == 9000
    disk.close(fd)
    assert disk.free_bytes(directory) > 0


def test_a_directory_is_locked_once_and_unlocked_by_closing(disk: Disk, tmp_path: Path) -> None:
    first, second = (disk.open_directory(tmp_path / "j") for _ in range(2))
    disk.lock(first)
    with pytest.raises(BlockingIOError):
        disk.lock(second)
    disk.close(first)
    disk.lock(second)
    disk.close(second)


def test_a_closed_descriptor_is_rejected(disk: Disk, directory: int) -> None:
    fd = disk.create(directory, "x")
    disk.close(fd)
    with pytest.raises(OSError, match="descriptor") as rejected:
        disk.pread(fd, 1, 0)
    assert rejected.value.errno == errno.EBADF


def test_a_boot_has_one_name_of_16_bytes(disk: Disk) -> None:
    assert len(disk.boot_id()) == 16
    assert disk.boot_id() == disk.boot_id()


# Faults where the kernel hides the name of the boot: another name while the clock only runs on, as
# if the machine had been restarted; the same name after a real restart; no name before 1970.


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Hide the name of the boot; give the seconds that the machine has been up."""
    up = {"s": 5_000.25}

    def reject(_: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", reject)
    monkeypatch.setattr(time, "clock_gettime", lambda _: up["s"])
    return up


@pytest.mark.parametrize(
    "at",
    [
        datetime(2028, 2, 29, 23, 59, 59, 600_000, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, 600_000, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 0, 0, 600_000, tzinfo=UTC),
    ],
    ids=["leap day", "year end", "clock never set"],
)
def test_a_hidden_boot_is_named_by_its_second(at: datetime, hidden: dict[str, float]) -> None:
    with clocks(at) as held:
        named = Disk().boot_id()
        assert len(named) == 16
        for _ in range(10):
            held.run(86_400.5)
            hidden["s"] += 86_400.5
            assert Disk().boot_id() == named
        hidden["s"] = 3.0
        assert Disk().boot_id() != named


@pytest.mark.parametrize("step_s", [-HOUR_S, HOUR_S])
def test_a_step_of_the_clock_is_taken_for_another_boot(
    step_s: float, hidden: dict[str, float]
) -> None:
    assert hidden
    with clocks() as held:
        named = Disk().boot_id()
        held.step(step_s)
        assert Disk().boot_id() != named


def test_files_and_directories_are_for_their_owner_only(tmp_path: Path) -> None:
    disk = Disk()
    directory = disk.open_directory(tmp_path / "j")
    disk.close(disk.create(directory, "x"))
    disk.close(directory)
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "j" / "x").stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    disk = Disk()
    (tmp_path / "target").write_bytes(b"secret")
    (tmp_path / "x").symlink_to(tmp_path / "target")
    directory = disk.open_directory(tmp_path)
    for call in (disk.open_read, disk.open_append, disk.create):
        with pytest.raises(OSError, match="x"):
            call(directory, "x")
    disk.close(directory)


def synced_by(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list to which every directory is added that is synced."""
    synced: list[Path] = []
    sync = os.fsync

    def remember(fd: int) -> None:
        sync(fd)
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())

    monkeypatch.setattr(os, "fsync", remember)
    return synced


@pytest.mark.parametrize("there", ["", "a", "a/b", "a/b/journal"])
def test_the_name_of_every_directory_above_the_journal_is_durable(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults: only the last is synced; none when an earlier process made it and ended."""
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    synced = synced_by(monkeypatch)
    disk = Disk()
    disk.close(disk.open_directory(tmp_path / "a" / "b" / "journal"))
    assert synced[:3] == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]


def test_a_directory_of_others_above_the_journal_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = synced_by(monkeypatch)
    opens = os.open

    def deny(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opens(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", deny)
    disk = Disk()
    disk.close(disk.open_directory(tmp_path / "a" / "journal"))
    assert synced == [tmp_path / "a"]
