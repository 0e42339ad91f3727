"""A copy of a built database that is served, a writer on it, and the steps that are judged."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import groups
from tests.chaos.server import OwnServer
from tests.live.processes import ROOT
from tests.years import server_log
from tests.years.generate import copied, data_copied, size_of
from tests.years.server_log import Statement
from tests.years.size import Size

CPU = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 100_000
STATEMENT_MS = 1_000.0
"""No statement but COMMIT may take longer."""
REPORT_S = 5.0
"""No message may keep the writer from reporting for longer."""
MORE_MIB = 200
"""Memory is flat when no step takes so much more than the start."""
OPTIONS = server_log.OPTIONS


@dataclass
class Step:
    """What one step took: statements are those of the writer alone.

    Attributes:
        report_s: The longest time without a report, while one message was handled.
        waited_s: How long the writer and its server process waited for a processor that others
            had.
    """

    name: str
    seconds: float
    longest: Statement
    report_s: float = 0.0
    report_of: str = ""
    peak_mib: int = 0
    rows: int = 0
    note: str = ""
    waited_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return it as one line for people."""
        wrong = f"  | {'; '.join(self.wrong)}" if self.wrong else ""
        return (
            f"  {self.name:28} {'FAIL' if self.wrong else 'ok':4} {self.seconds:8.1f} s"
            f" · longest {self.longest.ms:7.0f} ms {self.longest.name:26}"
            f" · report {self.report_s:5.2f} s {self.report_of:14}"
            f" · {self.peak_mib:4} MiB · {self.rows:9,} rows{self.note}"
            f" · {1 - self.own_share:.0%} waited{wrong}"
        )

    @property
    def own_share(self) -> float:
        """Return the share of the time in which nothing waited for a processor."""
        return max(0.0, 1 - self.waited_s / self.seconds) if self.seconds else 1.0

    def judge(self, base_mib: int, *, alone: bool = False) -> None:
        """Note what is beyond the bounds.

        Args:
            base_mib: The peak of the first step.
            alone: Judge what the times would be if nobody else used the machine: as much less
                as the whole step waited for a processor.
        """
        share = self.own_share if alone else 1.0
        if self.longest.ms * share > STATEMENT_MS:
            self.wrong.append(f"{self.longest.name} took {self.longest.ms / 1_000:.1f} s")
        if self.report_s * share > REPORT_S:
            self.wrong.append(f"{self.report_of} took {self.report_s:.1f} s without a report")
        if self.peak_mib > base_mib + MORE_MIB:
            self.wrong.append(f"{self.peak_mib} MiB after {base_mib} MiB at the start")


class YearsServer(OwnServer):
    """Serves a cluster as the tracker serves its own, and logs every statement."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, options=OPTIONS)
        self.database_dsn = self._server.dsn()
        self._read = 0

    @property
    def pid(self) -> int:
        """Return the process that all of its processes descend from."""
        child = self._server._child
        assert child is not None
        return child.pid

    def statements(self) -> list[Statement]:
        """Return what the writer carried out since the last call."""
        log = self.root / "server.log"
        with log.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        self._read += len(text)
        return list(server_log.statements(text.decode(errors="replace")))

    def start(self) -> None:
        super().start()
        self._read = 0


class WriterProcess:
    """A writer in a process of its own (see `writer.py`)."""

    def __init__(self, dsn: str, folder: Path, size: Size) -> None:
        first = 2 * size.ended_markets + 1
        command = [sys.executable, "-m", "tests.years.writer", dsn, str(folder / "state")]
        with (folder / "writer.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(first), str(size.slots)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )

    def send(self, command: str) -> None:
        """Give it a command without waiting for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for an answer.

        Raises:
            RuntimeError: It has ended.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the writer ended with {self.process.wait()}: see writer.log")
        found: dict[str, Any] = json.loads(line)
        return found

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let it end."""
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()


class Years:
    """One copy of a built database, its server, the writer, and the steps so far.

    Args:
        built: The folder that is copied; it is not changed.
        folder: Where the copy goes.
        share: Of one processor that the server gets; 0: as much as there is.
    """

    def __init__(self, built: Path, folder: Path, *, share: float = 0.0) -> None:
        self._built = built
        self._folder = folder
        self.size = size_of(built)
        copied(built, folder)
        self.server = YearsServer(folder / "pg")
        self.steps: list[Step] = []
        self._limits = contextlib.ExitStack()
        self._share = share
        self._hold()
        self.writer: WriterProcess | None = None

    def close(self) -> None:
        """Stop writer and server."""
        if self.writer is not None:
            self.writer.stop()
        self._limits.close()
        self.server.stop()

    def _hold(self) -> None:
        """Hold the server to its share of a processor."""
        if self._share:
            group = self._limits.enter_context(groups.grouped(CPU, self.server.pid))
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(round(PERIOD_US * self._share)))

    def begin(self) -> None:
        """Start the process of a writer; it is ready, and has not begun to work."""
        self.writer = WriterProcess(self.server.database_dsn, self._folder, self.size)
        self.writer.answer()

    def kill(self) -> None:
        """Kill the writer."""
        assert self.writer is not None
        self.writer.kill()

    def step(self, name: str, command: str) -> Step:
        """Have the writer carry out one command; measure and judge it."""
        assert self.writer is not None
        self.server.statements()
        before = self._waits()
        self.writer.send(command)
        found = self.writer.answer()
        longest = server_log.longest(self.server.statements())
        step = Step(name, found["seconds"], longest, found["longest_s"], found["longest"])
        step.peak_mib, step.rows = found["peak_mib"], found["rows"]
        step.note = f" · {found['count']:,}"
        waits = self._waits()
        step.waited_s = sum(waits[pid] - before.get(pid, 0.0) for pid in waits)
        base_mib = self.steps[0].peak_mib if self.steps else step.peak_mib
        # The bound on the server makes it wait, too: then all of the time counts.
        step.judge(base_mib, alone=not self._share)
        self.steps.append(step)
        sys.stderr.write(step.line() + "\n")
        sys.stderr.flush()
        return step

    def _waits(self) -> dict[int, float]:
        """Return how long writer and server process have waited for a processor, in seconds."""
        assert self.writer is not None
        found = {}
        for pid in (self.writer.process.pid, *self.server.backends()):
            with contextlib.suppress(OSError):
                waited = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]
                found[pid] = int(waited) / 1e9
        return found

    def read_files(self) -> None:
        """Read all files of the database, so that they are in memory as far as they fit.

        A page that must come from the disk takes a hundred times as long as one in memory, and
        whether it must depends on what was copied last, and not on the work.
        """
        for path in sorted((self._folder / "pg" / "data").rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    while file.read(1 << 20):
                        pass

    def older(self) -> None:
        """Put the copy back under the running writer: stop, copy, start."""
        self._limits.close()
        self.server.stop()
        data_copied(self._built, self._folder)
        self.server.start()
        self._hold()

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        query = f"select count(*) from {table}"  # noqa: S608 - a name from our own modules
        ((rows,),) = self.server.ask(query, db=self.server.database_dsn)
        return int(rows)

    def read_as_a_whole(self) -> list[str]:
        """Return which large tables were read without an index since the statistics were reset."""
        query = (
            "select s.relid::regclass::text || ' (' || s.seq_tup_read || ' rows)'"
            " from pg_stat_user_tables s join pg_class c on c.oid = s.relid"
            " where c.reltuples > 10000 and s.seq_tup_read >= c.reltuples"
            # A day that began since is read by the server itself, for its summaries of blocks.
            " and s.n_tup_ins < c.reltuples order by 1"
        )
        return [name for (name,) in self.server.ask(query, db=self.server.database_dsn)]

    def step_beside(self, name: str, command: str, work: Callable[[], None]) -> Step:
        """Have the writer carry out a command while other work is done; wait for both."""
        with ThreadPoolExecutor(1) as beside:
            done = beside.submit(work)
            began = time.monotonic()
            step = self.step(name, command)
            done.result()
        sys.stderr.write(f"  what was beside it took {time.monotonic() - began:.1f} s\n")
        return step

    def writer_sends_and_is_killed(self, first: str, then: str, after_s: float) -> None:
        """Carry out a first command, and kill the writer in the middle of the second one."""
        assert self.writer is not None
        self.step(first.split(maxsplit=1)[0].replace("_", " "), first)
        self.writer.send(then)
        time.sleep(after_s)
        self.kill()


@contextlib.contextmanager
def years(built: Path, folder: Path, *, share: float = 0.0) -> Iterator[Years]:
    """Yield a copy that is served."""
    found = Years(built, folder, share=share)
    try:
        yield found
    finally:
        found.close()


def wrong(steps: Sequence[Step]) -> list[str]:
    """Return what was wrong in any of these steps."""
    return [f"{step.name}: {each}" for step in steps for each in step.wrong]


def load() -> str:
    """Return how busy the machine is, for people who read the times."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
