"""Journal and writer together: any order of deaths, losses and faults stores each trade once.

The disk is in memory and can lose its power; the writer is not started, so that the machine
chooses which messages it gets and when; the database commits, or loses the answer.
"""

from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.actor import Addresses, Incarnation
from actors.errors import JournalFailed, JournalFull
from actors.journal.journal import MIB, Journal
from actors.messages import Drain, Flush, Message, Open, ReadJournal, Tick, TradesSeen
from actors.model import facts
from actors.model.facts import Entry
from actors.model.trade import trade_hashes
from actors.polymarket import channel
from actors.writer.actor import WriterActor, WriterSettings
from tests.fakes import FakeStore
from tests.fakes_box import Box, drain
from tests.feed.test_actor import a_trade
from tests.journal.journal_model import MemoryDisk

NS = 1_790_000_000_000_000_000
MS = NS // 1_000_000
ENOUGH = 1_000
"""Bytes for one trade and the files that it may need."""


class Base(FakeStore):
    """A database that can be counted."""

    def stored(self) -> list[int]:
        return sorted(trade.traded_at_ms - MS for trade in self.trades.values())


class RecoveryMachine(RuleBasedStateMachine):
    """Model: `numbers` by sequence: the trades that the journal has taken and may not lose."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = MemoryDisk(name_bytes=30)
        self.store = Base()
        self.numbers: dict[int, int] = {}
        self.bodies: dict[int, bytes] = {}
        self.durable: set[int] = set()
        self.in_flight: list[Message] = []
        self.count = 0
        self.now = 100.0
        self.journal: Journal
        self.writer: WriterActor

    @initialize(segment_bytes=st.sampled_from([1, 900, 4_000]))
    def begin(self, segment_bytes: int) -> None:
        self.segment_bytes = segment_bytes
        self.open()

    def open(self) -> None:
        """Start a process: journal, then writer."""
        self.journal = Journal.open(
            Path("journal"),
            max_bytes=MIB,
            segment_bytes=self.segment_bytes,
            reserve_bytes=256,
            sync_interval_s=3600,
            disk=self.disk,
        )
        self.journal.stats()  # as the supervisor does before it starts the writer
        self.note_durable()
        self.in_flight.clear()
        self.start_writer()

    def start_writer(self) -> None:
        box = Box()
        self.writer = WriterActor(
            Incarnation("writer", 1, Tick(now=self.now, wall_ns=NS)),
            to=Addresses(supervisor=box, catalog=box, resolution=box),
            store=self.store,
            journal=self.journal,
            settings=WriterSettings(batch_trades=5, batch_records=7, hole_s=5.0),
            rng=Random(1),
        )
        self.deliver(Open())

    def deliver(self, message: Message) -> None:
        """Deliver a message to the writer, and the messages that it sends to itself."""
        try:
            self.writer.on_receive(message)
            drain(self.writer)
        except JournalFailed:
            self.end()
            self.open()

    def end(self) -> None:
        """End the process without a stop; the kernel keeps what was written."""
        self.note_durable()
        self.journal._syncer.stop()
        self.disk.kill()

    def note_durable(self) -> None:
        self.durable |= {seq for seq in self.numbers if seq <= self.journal.durable_seq}

    # ------------------------------------------------------------ the events

    @rule(times=st.integers(1, 6), only_stored=st.booleans())
    def receive(self, times: int, *, only_stored: bool) -> None:
        """Receive trades: first the journal, then a message that is still in flight."""
        if not self.take(times, only_stored=only_stored):
            self.end()
            self.open()

    def take(self, times: int, *, only_stored: bool) -> bool:
        """Receive trades; return False when the journal has failed."""
        for _ in range(times):
            self.count += 1
            raw = a_trade(at_ms=MS + self.count)
            kept = facts.FramesSeen(
                epoch=1, connection="a", received_at_ns=NS, occurrences=(1,), raws=(raw,)
            )
            body = facts.encode(kept)
            try:
                seq = self.journal.append(body, weight=1)
            except JournalFull:
                continue
            except JournalFailed:
                return False
            self.numbers[seq], self.bodies[seq] = self.count, body
            trades = channel.decode((raw,), NS).trades
            hashes = trade_hashes(trades)
            message = TradesSeen(
                seq=seq, connection="a", trades=trades, rejections=(), hashes=hashes
            )
            self.in_flight.append(ReadJournal(seq=seq) if only_stored else message)
        return True

    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """Messages of several connections arrive in any order."""
        count = data.draw(st.integers(0, len(self.in_flight)))
        for _ in range(min(count, len(self.in_flight))):
            place = data.draw(st.integers(0, len(self.in_flight) - 1))
            self.deliver(self.in_flight.pop(place))
            if not self.in_flight:
                return

    @rule(data=st.data())
    def overtake(self, data: st.DataObject) -> None:
        """Deliver one message before earlier ones, and commit it."""
        if self.in_flight:
            self.deliver(self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1))))
            self.deliver(Flush())

    @rule(data=st.data())
    def get_lost(self, data: st.DataObject) -> None:
        """Lose a message, as from the mailbox of an actor that died."""
        if self.in_flight:
            self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))

    @rule()
    def flush(self) -> None:
        self.deliver(Flush())

    @rule(after_s=st.sampled_from([0.25, 6.0, 70.0]))
    def tick(self, after_s: float) -> None:
        self.now += after_s
        self.deliver(Tick(now=self.now, wall_ns=NS))

    @rule()
    def write_back(self) -> None:
        """Sync, as the thread for it does."""
        try:
            self.journal.sync()
        except JournalFull:
            assert self.journal.failed is None
        except JournalFailed:
            self.end()
            self.open()
        self.note_durable()

    @rule(before=st.integers(0, 3), meanwhile=st.integers(1, 6))
    def write_back_while_receiving(self, before: int, meanwhile: int) -> None:
        """Sync, while connections go on and fill segments; then sync what they brought."""
        # A fault would make the journal sync for them, for which they would wait in this thread.
        self.disk.faults.clear()
        self.receive(before, only_stored=False)
        self.disk.on("sync_data", 1, lambda: self.take(meanwhile, only_stored=False))
        self.write_back()
        self.disk.forget_plans()
        self.write_back()

    # ------------------------------------------------------------ the faults

    @rule(away=st.booleans())
    def database(self, *, away: bool) -> None:
        self.store.away = away

    @rule()
    def cut_during_commit(self) -> None:
        self.store.loses_answer = True

    @rule()
    def kill_the_writer(self) -> None:
        self.start_writer()

    @rule(junk=st.binary(max_size=60))
    def crash(self, junk: bytes) -> None:
        """kill -9, with a torn tail."""
        self.end()
        self.disk.files[self.disk.segments[-1]].data += junk
        self.open()

    @rule(data=st.data())
    def lose_power(self, data: st.DataObject) -> None:
        """Keep what was synced, and a random part of the rest."""
        self.end()
        self.disk.lose_power(lambda size: data.draw(st.integers(0, size)))
        bytes_left = b"".join(bytes(inode.data) for inode in self.disk.files.values())
        self.numbers = {
            seq: number
            for seq, number in self.numbers.items()
            if seq in self.durable or self.bodies[seq] in bytes_left
        }
        self.open()

    @rule(
        call=st.sampled_from(
            ["sync_data", "write", "unlink", "create", "sync", "rename", "sync_directory"]
        )
    )
    def fault(self, call: str) -> None:
        self.disk.fail(call, 5)

    @rule(size=st.integers(1, 40))
    def short_write(self, size: int) -> None:
        self.disk.short.append(size)

    @rule(space=st.integers(0, 900))
    def fill_the_disk(self, space: int) -> None:
        self.disk.fill_up(space)

    @rule()
    def make_space(self) -> None:
        self.disk.capacity = 1 << 40

    @rule()
    def settle(self) -> None:
        """End all faults: everything that the journal has is then stored once."""
        self.disk.capacity = 1 << 40
        self.settle_on_this_disk()

    @rule(space=st.integers(0, 900))
    def start_on_a_full_disk(self, space: int) -> None:
        """Start without space, then let the database come: that makes space for new trades."""
        self.end()
        self.disk.fill_up(space)
        self.open()
        self.settle_on_this_disk()
        assert len(self.disk.segments) == 1, "what is stored still takes space"
        taken = len(self.numbers)
        enough = self.disk.free_bytes(self.journal._directory.fd) > ENOUGH
        self.take(1, only_stored=False)
        assert len(self.numbers) > taken or not enough, "nothing can be taken"

    def settle_on_this_disk(self) -> None:
        self.disk.faults.clear()
        self.store.away = self.store.loses_answer = False
        self.tick(70.0)
        self.deliver(Drain())
        stored = self.store.stored()
        assert set(self.numbers.values()) <= set(stored), "a trade is lost"
        assert self.store.watermark == self.journal.next_seq
        assert self.writer._gathered.records == 0

    # ---------------------------------------------------------- the promises

    @invariant()
    def nothing_below_the_watermark_is_missing(self) -> None:
        stored = set(self.store.stored())
        below = {number for seq, number in self.numbers.items() if seq < self.store.watermark}
        assert below <= stored, "the watermark has passed what is not stored"

    @invariant()
    def what_is_not_stored_is_still_in_the_journal(self) -> None:
        if not hasattr(self, "journal"):
            return
        self.disk.faults.pop("pread", None)
        read = {item.seq for item in self.journal.read(1) if isinstance(item, Entry)}
        stored = set(self.store.stored())
        missing = {
            number
            for seq, number in self.numbers.items()
            if number not in stored and seq not in read
        }
        assert not missing, "neither in the database nor in the journal"

    @invariant()
    def what_is_called_durable_is_stored_or_on_the_disk(self) -> None:
        if not hasattr(self, "journal"):
            return
        self.note_durable()
        stored = set(self.store.stored())
        waiting = [seq for seq in self.durable if self.numbers.get(seq, 0) not in stored]
        assert not self.disk.lacking(self.bodies[seq] for seq in waiting if seq in self.numbers)

    @invariant()
    def every_trade_is_stored_once_and_none_is_made_up(self) -> None:
        stored = self.store.stored()
        assert len(stored) == len(set(stored))
        assert all(1 <= number <= self.count for number in stored)

    @invariant()
    def no_more_is_released_than_is_committed(self) -> None:
        if hasattr(self, "journal"):
            first = min(int(name[4:24]) for name in self.disk.segments)
            assert first <= max(self.store.watermark, 1) or self.journal.opened_at_seq == first

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal._syncer.stop()


TestRecovery = pytest.mark.timeout(300)(RecoveryMachine.TestCase)
TestRecovery.settings = settings(max_examples=50, stateful_step_count=30)
