"""The journal on the real disk, with its thread, with processes that are killed."""

import errno
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.errors import JournalFailed, JournalUnreadable, StateDirBusy
from actors.journal.filesystem import Disk
from actors.journal.journal import MIB, Journal
from actors.model.facts import Entry
from tests.journal.journal_model import MemoryDisk, content, entries, fill

pytestmark = pytest.mark.live

DEADLINE_S = 20.0
ROOT = Path(__file__).parents[2]

Open = Callable[..., Journal]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    journals: list[Journal] = []

    def open_journal(**settings: Any) -> Journal:
        settings = {"max_bytes": 64 * MIB, "reserve_bytes": 0, **settings}
        journals.append(Journal.open(tmp_path / "state" / "journal", **settings))
        return journals[-1]

    yield open_journal
    for journal in journals:
        try:
            journal.close()
        except JournalFailed:
            continue


class WatchedDisk(Disk):
    """Sets an event when it syncs, and can be made to wait there."""

    def __init__(self) -> None:
        self.synced = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def sync_data(self, fd: int) -> None:
        assert self.go_on.wait(DEADLINE_S)
        super().sync_data(fd)
        self.synced.set()


def test_a_journal_on_a_real_disk_is_continued(opened: Open, tmp_path: Path) -> None:
    journal = opened(segment_bytes=1000, reserve_bytes=MIB)
    fill(journal, 100)
    journal.release(50)
    identity = journal.journal_id
    journal.close()
    journal = opened(segment_bytes=1000, reserve_bytes=MIB)
    assert journal.journal_id == identity
    assert content(journal, 50) == entries(50, 100)
    directory = tmp_path / "state" / "journal"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert (directory / "reserve").stat().st_blocks * 512 >= MIB
    assert journal.has_space()
    journal.free_reserve()
    assert (directory / "reserve").stat().st_blocks * 512 < MIB // 16


def test_a_second_journal_on_the_directory_is_rejected(opened: Open, tmp_path: Path) -> None:
    journal = opened()
    with pytest.raises(StateDirBusy, match=str(tmp_path)):
        opened()
    journal.close()
    opened()


def test_a_file_in_the_way_is_rejected_by_name(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a directory")
    with pytest.raises(JournalUnreadable, match=str(tmp_path)):
        opened()


def test_the_thread_syncs_what_is_new(opened: Open) -> None:
    disk = WatchedDisk()
    journal = opened(disk=disk, sync_interval_s=0.001)
    disk.synced.clear()
    fill(journal, 1)
    assert disk.synced.wait(DEADLINE_S)
    journal.sync()
    assert journal.durable_seq == 1
    assert journal.stats().sync_p99_s > 0
    journal.close()


def test_appending_goes_on_while_the_disk_is_slow_and_the_heartbeat_shows_it(
    opened: Open,
) -> None:
    disk = WatchedDisk()
    journal = opened(disk=disk, sync_interval_s=0.001)
    disk.go_on.clear()
    fill(journal, 1)
    slow = threading.Thread(target=journal.sync)
    slow.start()
    fill(journal, 1000)
    assert journal.durable_seq == 0
    assert content(journal) == entries(1, 1001)
    disk.go_on.set()
    slow.join(DEADLINE_S)
    journal.sync()
    assert journal.durable_seq == 1001


def test_the_heartbeat_is_the_clock_of_the_last_round(opened: Open) -> None:
    beats = threading.Event()
    now = [0.0]

    def monotonic() -> float:
        now[0] += 1.0
        if now[0] > 5:
            beats.set()
        return now[0]

    journal = opened(sync_interval_s=0.001, monotonic=monotonic)
    assert beats.wait(DEADLINE_S)
    journal.close()
    assert journal.sync_alive_at >= 4


def test_a_disk_that_fails_for_good_is_noticed_by_the_thread(opened: Open) -> None:
    failed = threading.Event()

    class Dying(MemoryDisk):
        def sync_data(self, fd: int) -> None:
            self.fail("create", errno.EIO)
            self.fail("sync_data", errno.EIO)
            try:
                super().sync_data(fd)
            finally:
                failed.set()

    journal = opened(disk=Dying(), sync_interval_s=0.001)
    fill(journal, 1)
    assert failed.wait(DEADLINE_S)
    journal._syncer._thread.join(DEADLINE_S)
    assert journal.failed
    with pytest.raises(JournalFailed):
        journal.append(b"x")


def test_many_threads_append_and_read_at_once(opened: Open) -> None:
    journal = opened(segment_bytes=20_000, sync_interval_s=0.001)
    writers, each = 8, 400
    appended: list[list[int]] = [[] for _ in range(writers)]
    faults: list[BaseException] = []
    done = threading.Event()

    def write(writer: int) -> None:
        for n in range(each):
            appended[writer].append(journal.append(b"%d %d" % (writer, n)))

    def read() -> None:
        try:
            while not done.is_set():
                seqs = [item.seq for item in journal.read(1) if isinstance(item, Entry)]
                assert seqs == list(range(1, len(seqs) + 1))
        except BaseException as exc:  # noqa: BLE001  # the main thread looks at it
            faults.append(exc)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    reader = threading.Thread(target=read)
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    done.set()
    reader.join(DEADLINE_S)
    assert faults == []
    assert sorted(seq for seqs in appended for seq in seqs) == list(range(1, writers * each + 1))
    assert all(seqs == sorted(seqs) for seqs in appended)
    bodies = {item.seq: item.body for item in journal.read(1) if isinstance(item, Entry)}
    for writer, seqs in enumerate(appended):
        assert [bodies[seq] for seq in seqs] == [b"%d %d" % (writer, n) for n in range(each)]


def test_many_threads_append_while_syncs_fail(opened: Open) -> None:
    class Flaky(Disk):
        calls = 0

        def sync_data(self, fd: int) -> None:
            Flaky.calls += 1
            if Flaky.calls % 3 == 0:
                raise OSError(errno.EIO, "no")
            super().sync_data(fd)

    journal = opened(disk=Flaky(), segment_bytes=5000, sync_interval_s=0.001)
    threads = [threading.Thread(target=fill_many, args=(journal, 300)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    journal.sync()
    assert journal.failed is None
    assert journal.durable_seq == 1800
    got = content(journal)
    assert [item.seq for item in got if isinstance(item, Entry)] == list(range(1, 1801))
    assert len(got) == 1800


def fill_many(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.append(b"x" * 50)


APPEND = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from actors.journal.journal import Journal
journal = Journal.open(Path(sys.argv[1]), max_bytes=1 << 26, segment_bytes=5000, reserve_bytes=0)
while True:
    seq = journal.next_seq
    assert journal.append(b"body %07d" % seq) == seq
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
"""


def test_what_a_killed_process_appended_is_there(opened: Open, tmp_path: Path) -> None:
    directory = tmp_path / "state" / "journal"
    last = 0
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", APPEND, str(directory), str(ROOT)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with process.stdout as printed:
            for _ in range(150 + 77 * round_):
                last = int(printed.readline())
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE_S)
            last = max([last, *(int(line) for line in printed if line.endswith(b"\n"))])
        segment = max(directory.glob("seg-*"))
        with segment.open("ab") as file:
            file.write(b"TRK1")
    journal = opened()
    assert journal.next_seq > last
    assert content(journal) == entries(1, journal.next_seq - 1)
