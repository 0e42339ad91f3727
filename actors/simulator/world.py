"""Everything that the server shows, built in one place, with its two clocks.

`Traffic` counts how often each HTTP side was asked, and the most in any ten seconds.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from actors.simulator.channel import Channel
from actors.simulator.events import Churn
from actors.simulator.exchange import LATEST_S, Exchange
from actors.simulator.fault_injector import FaultInjector
from actors.simulator.ledger import Ledger, history
from actors.simulator.markets import Markets
from actors.simulator.options import BadOption, Options
from actors.simulator.replay import Reel, furnish, load

TURN_S = 0.005
TIDY_S = 0.5


WINDOW_S = 10.0


class Traffic:
    """Requests by side (`gamma`, `clob`, `data`, `rpc`). `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._total: Counter[str] = Counter()
        self._most: dict[str, int] = {}
        self._times: dict[str, deque[float]] = {}

    def note(self, side: str, now: float) -> None:
        """Count a request."""
        times = self._times.setdefault(side, deque())
        times.append(now)
        while now - times[0] >= WINDOW_S:
            times.popleft()
        self._total[side] += 1
        self._most[side] = max(self._most.get(side, 0), len(times))

    def summary(self) -> dict[str, dict[str, int]]:
        """Return side → total and the most in ten seconds."""
        return {
            side: {"total": total, "most_in_10_s": self._most[side]}
            for side, total in sorted(self._total.items())
        }


class World:
    """A running exchange.

    Args:
        options: What the run is like.
        monotonic: Seconds, for what is due.
        clock: Seconds since 1970, read once; wall time then follows `monotonic`,
            so that it never steps back.

    Raises:
        BadOption: The run is in the ledger already.
        Unreadable: A recording cannot be used.
        OSError: The ledger cannot be written.
    """

    def __init__(
        self,
        options: Options,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.now = monotonic
        self._started = monotonic()
        self._offset = clock() - self._started
        recordings = load(options.replay)
        self.ledger = Ledger(options.directory)
        lines = list(history(self.ledger.path))
        self.run = _run(options, lines)
        self.universe = Markets(options.seed, self.run, options.pace, odd=options.odd)
        rng = random.Random(f"exchange:{options.seed}:{self.run}")
        churn = Churn(options.seed)
        self.channel = Channel(self.universe, self.ledger, churn, rng)
        self.exchange = Exchange(options, self.universe, self.channel, self.ledger, churn, rng)
        self.trouble = FaultInjector(
            options.faults, self.universe, self.channel, self.ledger, churn, rng
        )
        self.traffic = Traffic()
        self.ledger.add("run", run=self.run, seed=options.seed, ts=self.wall())
        self.universe.reload(lines, self.wall())
        self.exchange.populate(self.wall())
        furnish(recordings, self.universe, self.exchange, self.wall())
        self._reel = Reel(
            recordings.frames,
            options.replay.per_second,
            self.channel,
            self.ledger,
            self.exchange.tape,
        )
        self._turned = self._tidy_at = self._started
        self.ledger.flush()

    def wall(self) -> int:
        """Return milliseconds since 1970."""
        return int((self.now() + self._offset) * 1000)

    @property
    def elapsed(self) -> float:
        """Return seconds since the start."""
        return self.now() - self._started

    def rages(self, kind: str) -> float | None:
        """Return the value of a lasting fault in force, else None."""
        return self.trouble.weather.rages(kind, self.now())

    def turn(self) -> None:
        """Do what is due now."""
        now, wall = self.now(), self.wall()
        self.trouble.turn(now - self._started, now, wall)
        self._reel.turn(min(now - self._turned, LATEST_S))
        self._turned = now
        self.exchange.turn(now, wall)
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_S
            self._tidy(now)

    def _tidy(self, now: float) -> None:
        """End sockets that never subscribe or say nothing for long, as the exchange does."""
        options = self.options
        for one in tuple(self.channel.connections.values()):
            silent = now - one.last_heard
            if not one.subscribed and silent > options.subscribe_timeout:
                one.close(1008, "subscription timeout", by="server")
            elif silent > options.idle_timeout:
                one.cut("idle", by="server")

    def summary(self) -> dict[str, Any]:
        """Return the books of this run."""
        return {
            "run": self.run,
            "sent": self.exchange.tape.n,
            "delivered": self.exchange.delivered,
            "noise": self.exchange.noise,
            "markets": len(self.universe),
            "trading": len(self.exchange.calendar.trading),
            "resolved": self.exchange.calendar.resolved,
            "connections": {"open": len(self.channel.connections), "total": self.channel.opened},
            "faults": dict(self.trouble.counts),
            "requests": self.traffic.summary(),
            "elapsed_s": round(self.elapsed, 3),
        }


def _run(options: Options, lines: list[dict[str, Any]]) -> int:
    taken = {line["run"] for line in lines if line["kind"] == "run"}
    if options.run is None:
        return max(taken, default=0) + 1
    if options.run in taken:
        raise BadOption(f"argument --run: run {options.run} is in {options.directory} already")
    return options.run
