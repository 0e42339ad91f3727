"""The writer of a tracker in a process of its own, without the others: they are played here.

    python -m tests.years.writer <dsn> <state folder> <first open token's key> <slots>

WriterActor, Store, Recorder and Journal are the real ones, in one thread. Commands come on stdin, a
line each: `<name> [<number>]`; each is answered with a line of JSON: how long it took, the longest
time that one message kept the writer from reporting, the peak of memory, rows.
"""

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from actors.actor import Address, Addresses, Incarnation
from actors.database.store import Store
from actors.journal.journal import Journal
from actors.journal.recorder import Recorder
from actors.messages import (
    BatchWritten,
    CoverageForgotten,
    Flush,
    MarketResolved,
    MarketsReviewed,
    MarketsSeen,
    Message,
    Open,
    RechecksRestored,
    RequestConflicts,
    RequestRechecks,
    RequestReview,
    RequestUnresolved,
    ResolutionObserved,
    Tick,
    UnresolvedRestored,
)
from actors.model import facts
from actors.model.conversion import chunks
from actors.model.market import TimeWindow
from actors.model.storage import AWAY, BEHIND, LIVE, Batch, Committed
from actors.model.trade import ConditionId, TokenId, trade_hashes
from actors.polymarket import channel
from actors.simulator import events
from actors.writer.actor import WriterActor, WriterSettings
from tests.years.generate import JOURNAL_BYTES, SEGMENT_BYTES
from tests.years.played_markets import new_market, resolved
from tests.years.size import FEEDS, TOKENS_A_CONNECTION

TICK_S = 0.25
LOOK_S = 15.0
"""Ticks are this much further after a step, so that it is looked at once for what is to settle."""
CONNECTIONS_AT_ONCE = 20
FRAMES = 10
"""Trades of one record: so many arrive together when much happens."""
GIVE_UP_S = 900.0
MIB = 1024


class Heard(Address):
    """Counts what is sent to an actor, and keeps the last message of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[type[Message]] = Counter()
        self.last: dict[type[Message], Any] = {}
        self.stored = 0

    def tell(self, message: Message) -> None:
        self.count[type(message)] += 1
        self.last[type(message)] = message
        if isinstance(message, BatchWritten):
            self.stored += message.stored


class MeasuredStore(Store):
    """Counts rows and notes whether something is left to settle."""

    rows = 0
    steps = 0
    settled = False

    def commit(self, batch: Batch) -> Committed:
        committed = super().commit(batch)
        self.rows += batch.rows
        return committed

    def settle(self) -> bool:
        self.settled = super().settle()
        self.steps += 1
        return self.settled


class Played:
    """A writer, and what the other actors would send it."""

    def __init__(self, dsn: str, state: Path, first_key: int, slots: int) -> None:
        self._tokens, self._conditions = _tokens(dsn, first_key)
        self._slots = slots
        self._dsn = dsn
        self.journal = Journal.open(
            state / "journal", max_bytes=JOURNAL_BYTES, segment_bytes=SEGMENT_BYTES
        )
        self.store = MeasuredStore(dsn)
        self.supervisor, self.catalog, self.resolution = Heard(), Heard(), Heard()
        self._skew = 0.0
        self._ticked = 0.0
        self.longest_s, self.longest = 0.0, ""
        self.actor = WriterActor(
            Incarnation("writer", 1, self._tick()),
            to=Addresses(
                supervisor=self.supervisor, catalog=self.catalog, resolution=self.resolution
            ),
            store=self.store,
            journal=self.journal,
            settings=WriterSettings(feeds=FEEDS),
            rng=Random(1),
        )
        self.recorder = Recorder(self.journal, self.actor.actor_ref, inflight_max=50_000)
        self._epochs: dict[tuple[int, int], int] = {}
        self._rng = Random(7)
        self._made = 0
        self._ended = 0

    # -------------------------------------------------------------------- time

    def _tick(self) -> Tick:
        return Tick(now=time.monotonic() + self._skew, wall_ns=time.time_ns())

    def handle(self, message: Message) -> None:
        """Have the writer handle one message, and note how long that takes."""
        began = time.monotonic()
        self.actor.on_receive(message)
        took = time.monotonic() - began
        if took > self.longest_s:
            self.longest_s, self.longest = took, type(message).__name__

    def pump(self) -> None:
        """Handle all that waits; a Tick comes in between when it is due."""
        inbox: Any = self.actor.actor_inbox
        while not inbox.empty():
            self.handle(inbox.get_nowait().message)
            self.tick_if_due()

    def tick_if_due(self) -> None:
        if time.monotonic() - self._ticked >= TICK_S:
            self._ticked = time.monotonic()
            self.handle(self._tick())

    def flush(self) -> None:
        """Commit what is gathered, and catch up with what was not sent in full."""
        self.pump()
        self.handle(Flush())
        self.pump()

    @property
    def state(self) -> str:
        return self.actor._database.state

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Let time pass until the condition is true."""
        end = time.monotonic() + GIVE_UP_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {GIVE_UP_S:.0f} s: {what}")
            self.pump()
            self.tick_if_due()
            time.sleep(0.01)

    # ----------------------------------------------------------------- commands

    def start(self, _: int) -> int:
        """Start as a process does: until everything that the writer sends by itself is sent."""
        self.recorder.fact(facts.ProcessStarted(time.time_ns(), "years", "1"))
        self.actor.actor_ref.tell(Open())
        self.until("the writer is live", lambda: self.state == LIVE)
        return sum(self.catalog.count.values()) + sum(self.resolution.count.values())

    def ask(self, most: int) -> int:
        """Ask what catalog and resolution ask after a start; at most so many pages of each kind."""
        pages, after = 0, ConditionId("")
        while pages < most:
            pages += 1
            self.handle(RequestReview(after=after))
            self.pump()
            reviewed: MarketsReviewed = self.catalog.last[MarketsReviewed]
            if reviewed.until is None:
                break
            after = reviewed.until
        for _ in range(most):
            pages += 1
            self.handle(RequestUnresolved(after=after if _ else ConditionId("")))
            self.pump()
            found: UnresolvedRestored = self.resolution.last[UnresolvedRestored]
            if found.until is None:
                break
            after = found.until
        self.handle(RequestConflicts())
        return pages + self._rechecks(most)

    def _rechecks(self, most: int) -> int:
        since_ms: int | None = None
        now_ms = time.time_ns() // 1_000_000
        for page in range(most):
            self.handle(RequestRechecks(window=TimeWindow(since_ms, now_ms)))
            self.pump()
            sent: RechecksRestored = self.resolution.last[RechecksRestored]
            if sent.until_ms is None or sent.until_ms >= now_ms:
                return page + 1
            since_ms = sent.until_ms
        return most

    def want(self, _: int) -> int:
        """Tell what is wanted, as the supervisor does after each start."""
        for some in chunks(self._tokens, 1_000):
            self.recorder.fact(facts.TokensWanted(time.time_ns(), tuple(some)))
            self.pump()
        self.flush()
        return len(self._tokens)

    def listen(self, most: int) -> int:
        """Open the connections (at most so many of each feed), and confirm all of their tokens."""
        return self._opened(most, closing=False)

    def reconnect(self, most: int) -> int:
        """Lose all connections (at most so many of each feed), and open them again."""
        return self._opened(most, closing=True)

    def _opened(self, most: int, *, closing: bool) -> int:
        places = [(slot, feed) for slot in range(min(most, self._slots)) for feed in range(FEEDS)]
        for some in chunks(places, CONNECTIONS_AT_ONCE):
            for place in some:
                self._open(place, closing=closing)
            self.flush()
        proofs = tuple((epoch, time.time_ns()) for epoch in self._epochs.values())
        self.recorder.fact(facts.ListeningProven(proofs))
        self.flush()
        return len(places)

    def _open(self, place: tuple[int, int], *, closing: bool) -> None:
        slot, feed = place
        at_ns = time.time_ns()
        epoch = self._epochs.get(place)
        if closing and epoch is not None:
            self.recorder.fact(facts.ListeningClosed(epoch, at_ns, at_ns, "disconnected"))
        name = f"{chr(97 + feed)}-{slot:04}"
        epoch = self.recorder.fact(facts.ListeningOpened(at_ns, name, feed))
        first = slot * TOKENS_A_CONNECTION
        tokens = tuple(self._tokens[first : first + TOKENS_A_CONNECTION])
        self.recorder.fact(facts.TokensConfirmed(epoch, at_ns, tokens))
        self._epochs[place] = epoch

    def settle(self, _: int) -> int:
        """Let time pass until nothing is left to settle; return how many steps that took."""
        self._skew += LOOK_S
        self.store.settled, steps = False, self.store.steps
        while not self.store.settled:
            self.handle(self._tick())
            self.flush()
        return self.store.steps - steps

    def journal_trades(self, count: int) -> int:
        """Append trades of both feeds to the journal, as if the writer were away."""
        for numbers in chunks(range(count), FRAMES):
            self._append(self._frames(len(numbers)))
        return count

    def catch_up(self, _: int) -> int:
        """Read the journal to its end; return how many trades were stored."""
        stored = self.supervisor.stored
        self.actor._fall_behind()
        self.until("the writer has caught up", lambda: self.state != BEHIND)
        return self.supervisor.stored - stored

    def _frames(self, count: int) -> tuple[bytes, ...]:
        now_ms = time.time_ns() // 1_000_000
        found = []
        for _ in range(count):
            self._made += 1
            place = int(len(self._tokens) ** self._rng.random()) - 1
            made = events.Trade(
                n=self._made,
                token=self._tokens[place],
                condition=self._conditions[place],
                price=f"0.{self._rng.randint(1, 99):02}",
                size=f"{self._rng.uniform(1, 500):.6f}",
                side="BUY",
                ts=now_ms,
                hash=f"0x{self._rng.getrandbits(256):064x}",
                fee="0",
            )
            found.append(made.text)
        return tuple(found)

    def _append(self, raws: tuple[bytes, ...]) -> None:
        at_ns = time.time_ns()
        trades = channel.decode(raws, at_ns).trades
        hashes = trade_hashes(trades)
        for feed in range(FEEDS):
            epoch = self._epochs.get((0, feed), 1)
            record = facts.FramesSeen(
                epoch, f"{chr(97 + feed)}-0000", at_ns, (1,) * len(raws), raws, hashes
            )
            self.journal.append(facts.encode(record), weight=len(trades))

    def churn(self, markets: int) -> int:
        """Let so many markets begin, and so many others end and be resolved."""
        new = [new_market(self._rng) for _ in range(markets)]
        for number, some in enumerate(chunks(new, 500)):
            self.handle(MarketsSeen(ticket=number, markets=tuple(some)))
            tokens = tuple(token for market in some for token in market.token_ids)
            self.recorder.fact(facts.TokensWanted(time.time_ns(), tokens))
            self.flush()
        last = min(self._ended + 2 * markets, len(self._tokens) - 1)
        old, self._ended = range(self._ended, last, 2), last
        for places in chunks(old, 200):
            self._end_markets(places)
        return 2 * len(new)

    def _end_markets(self, places: Iterable[int]) -> None:
        """End the markets whose first tokens have these places."""
        for place in places:
            slot, at_ns = place // TOKENS_A_CONNECTION, time.time_ns()
            yes, no = self._tokens[place : place + 2]
            resolution = resolved(self._conditions[place], (yes, no), at_ns)
            for each in resolution.evidence:
                self.handle(ResolutionObserved(ticket=place, observation=each))
            self.handle(MarketResolved(ticket=place, resolution=resolution))
            for feed in range(FEEDS):
                epoch = self._epochs.get((slot, feed))
                if epoch is not None:
                    released = facts.TokensReleased(epoch, at_ns, (yes, no), "released")
                    self.recorder.fact(released)
            self.recorder.fact(facts.TokensUnwanted(at_ns, (yes, no)))
        self.flush()

    def lost(self, _: int) -> int:
        """Notice that the database is away."""
        self.recorder.fact(facts.ProcessAlive(time.time_ns()))
        self.flush()
        self.until("it is noticed", lambda: self.state == AWAY)
        return 0

    def return_(self, _: int) -> int:
        """Wait until the database, an older one, is open again and is told what it forgot."""
        self.until("it is open again", lambda: self.state == LIVE)
        told = self.supervisor.count[CoverageForgotten]
        if told:
            self.recorder.fact(facts.ProcessStarted(time.time_ns(), "years", "1"))
            self.want(0)
            self._opened(self._slots, closing=False)
        return told

    def run(self, name: str, number: int) -> dict[str, Any]:
        """Carry out one command; return what was measured."""
        self.longest_s, self.longest = 0.0, ""
        rows = self.store.rows
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        began = time.monotonic()
        count = getattr(self, name)(number)
        return {
            "seconds": round(time.monotonic() - began, 2),
            "longest_s": round(self.longest_s, 3),
            "longest": self.longest,
            "peak_mib": _peak_mib(),
            "rows": self.store.rows - rows,
            "count": count,
        }


def _tokens(dsn: str, first_key: int) -> tuple[list[TokenId], list[ConditionId]]:
    """Return the open tokens and their conditions, by key."""
    query = b"select token_id, condition_id from assets where asset_key >= %s order by asset_key"
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(query, (first_key,)).fetchall()
    return [TokenId(row[0]) for row in rows], [ConditionId(row[1]) for row in rows]


def _peak_mib() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MIB


def _answer(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Carry out the commands on stdin until it ends."""
    dsn, state, first_key, slots = sys.argv[1:]
    played = Played(dsn, Path(state), int(first_key), int(slots))
    try:
        _answer({"ready": True})
        for line in sys.stdin:
            name, _, number = line.strip().partition(" ")
            _answer(played.run(name, int(number or 10**9)))
    finally:
        played.actor.on_stop()
        played.journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
