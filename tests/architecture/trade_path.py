"""`make path`: count the files below actors/ that one trade passes, and the changes of file.

One WebSocket frame with one trade goes through the code of the tracker, all of it in this
thread: a socket, the reactor, the connection actor, the journal on a disk, the writer actor and
its store. The path begins when the reactor looks at the socket. It ends when the writer has
reported what it committed; by then the database driver has been given the bytes of COPY.
No actor is started: messages are taken from the mailboxes by hand. Outside of the path there are
three fakes, none of which is counted: the dialler, the database driver, and the mailboxes of the
supervisor, the catalog and the resolution actor.

What is counted:
    step: one call of a Python function whose code is below actors/, in the order in which the
        calls begin. Lambdas, comprehensions and each resumption of a generator are calls too.
        A return is no step: it would count nearly every change of file a second time.
    change: a step in another file than the step before it. The first step is a change.
    back: a change to a file that an earlier step was in. Thus changes = files + back.

The second trade is counted, since the first one also fills caches. The first one is shown too
if its figures differ.
"""

import argparse
import gc
import json
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, NamedTuple

from actors.actor import Address, Addresses, Incarnation
from actors.feed.actor import ConnectionActor
from actors.feed.ports import ConnectionSettings
from actors.journal.journal import MIB, Journal
from actors.journal.recorder import Recorder
from actors.messages import Connect, Flush, Open, Tick
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId
from actors.transport.feed_socket import ReactorSocket
from actors.transport.handshake import OpenWebSocket
from actors.transport.reactor import Reactor
from actors.transport.skimmer import FrameSkimmer
from actors.writer.actor import WriterActor, WriterSettings
from tests.fakes_box import Box, drain
from tests.fakes_driver import DriverStore
from tests.transport.loopback import WAIT_S, frame

SOURCE = f"{Path(__file__).parents[2] / 'actors'}/"
NOW, NOW_MS = 100.0, 1_790_000_000_000
TOKEN, CONDITION, TRANSACTION = TokenId("71"), "0x" + "ab" * 32, "0x" + "cd" * 32


class Figures(NamedTuple):
    """See the head of this file for what they mean."""

    files: int
    changes: int
    back: int


LIMIT = Figures(files=32, changes=58, back=26)
"""What the second trade may pass at most; checked by `test_trade_path.py`. To be lowered only."""


class Step(NamedTuple):
    file: str
    function: str


class Passage(NamedTuple):
    """How one trade went through: its steps, and what the driver was given for COPY."""

    steps: tuple[Step, ...]
    copied: bytes

    @property
    def figures(self) -> Figures:
        """Count the files and the changes of file."""
        files = [step.file for step in self.steps]
        changes = sum(file != before for before, file in pairwise(["", *files]))
        return Figures(len(set(files)), changes, changes - len(set(files)))


@contextmanager
def recorded(steps: list[Step]) -> Iterator[None]:
    """Add the steps of this thread to the list. The garbage collector waits meanwhile."""

    def note(at: FrameType, event: str, _: object) -> None:
        code = at.f_code
        if event == "call" and code.co_filename.startswith(SOURCE):
            steps.append(Step(code.co_filename.removeprefix(SOURCE), code.co_qualname))

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()


class PairDialler:
    """Gives the reactor one end of a socket pair; `peer` is the server's end."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._ours, self.peer = socket.socketpair()
        self.peer.settimeout(WAIT_S)

    def last_changes(self, _: Sequence[TokenId]) -> dict[TokenId, int]:
        return {}

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> ReactorSocket:
        opened, skimmer = OpenWebSocket(self._ours, "pair"), FrameSkimmer(markers=markers)
        return self._reactor.adopt(opened, skimmer, on_frames=on_frames, on_end=on_end)


class Tracker:
    """The part of the tracker that a trade passes, connected and subscribed to one token."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        tick = Tick(now=NOW, wall_ns=NOW_MS * 1_000_000)
        # Fixed clocks: the same steps each time.
        self._reactor = Reactor(wall_ns=lambda: NOW_MS * 1_000_000, monotonic=lambda: NOW)
        stack.callback(self._reactor.stop, WAIT_S)
        self._dialler = PairDialler(self._reactor)
        stack.callback(self._dialler.peer.close)
        journal = Journal.open(folder / "journal", max_bytes=64 * MIB, reserve_bytes=0)
        stack.callback(journal.close)
        others: dict[str, Box] = {name: Box() for name in ("supervisor", "catalog", "resolution")}
        self._store = DriverStore()
        self._writer = WriterActor(
            Incarnation("writer", 1, tick),
            to=Addresses(**others),
            store=self._store,
            journal=journal,
            settings=WriterSettings(feeds=2),
            rng=Random(1),
        )
        to_writer = Address()
        to_writer.move_to(self._writer.actor_ref)
        self._connection = ConnectionActor(
            Incarnation("a-0001", 1, tick),
            ConnectionSpec(name="a-0001", feed=0, tokens=(TOKEN,)),
            to=Addresses(**others, writer=to_writer),
            dialler=self._dialler,
            recorder=Recorder(journal, to_writer, inflight_max=1_000),
            settings=ConnectionSettings(),
        )
        self._writer.on_receive(Open())
        drain(self._writer)
        self._connection.on_receive(Connect())
        self._reactor._round()  # it adopts the socket
        self._hear({"event_type": "book", "bids": [], "asks": [], "hash": "h"}, 0)
        self._go()

    def trade(self, number: int) -> Passage:
        """Let one trade pass, traded so many milliseconds after the others."""
        trade = {"event_type": "last_trade_price", "price": "0.456", "size": "219.217767"}
        more = {"side": "BUY", "fee_rate_bps": "0", "transaction_hash": TRANSACTION}
        self._hear(trade | more, number)
        steps: list[Step] = []
        copied = self._store.driver.copied
        copied.clear()
        with recorded(steps):
            self._go()
        return Passage(tuple(steps), bytes(copied))

    def _hear(self, said: dict[str, Any], after_ms: int) -> None:
        named = {"asset_id": TOKEN, "market": CONDITION, "timestamp": str(NOW_MS + after_ms)}
        self._dialler.peer.sendall(frame(json.dumps(said | named).encode()))

    def _go(self) -> None:
        self._reactor._round()
        drain(self._connection)
        drain(self._writer)
        self._writer.on_receive(Flush())


def passages(count: int = 2) -> list[Passage]:
    """Let so many trades pass one after the other, each in a transaction of its own."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        tracker = Tracker(Path(folder), stack)
        return [tracker.trade(number) for number in range(1, count + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description="count the files that one trade passes")
    parser.add_argument("--verbose", action="store_true", help="list the steps as file:function")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    options = parser.parse_args()
    first, second = passages()
    figures = {"trade": second.figures, "first": first.figures, "limit": LIMIT}
    lines = [f"{step.file}:{step.function}" for step in second.steps] if options.verbose else []
    lines += [
        f"{name}: {each.files} files, {each.changes} changes of file, {each.back} back"
        for name, each in figures.items()
        if name == "trade" or each != second.figures
    ]
    if options.json:
        lines = [json.dumps({name: each._asdict() for name, each in figures.items()})]
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
