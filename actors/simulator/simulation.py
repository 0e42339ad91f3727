"""One run of the simulator: all its parts, built in one place, and its two clocks."""

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors.simulator.beliefs import BREAKS, clock_ahead_s
from actors.simulator.channel import Channel
from actors.simulator.events import LevelPool
from actors.simulator.exchange import LATEST_S, Exchange
from actors.simulator.fault_injector import FaultInjector
from actors.simulator.ledger import Ledger, history
from actors.simulator.markets import Markets
from actors.simulator.options import BadOption, Options
from actors.simulator.recorded import Look, LookPlayer
from actors.simulator.replay import Player, add_recorded_markets, load

TURN_S = 0.005
TIMEOUTS_S = 0.5
"""How often timeouts of connections are looked for."""
WINDOW_S = 10.0
"""Over which the rate of requests is measured."""


class Traffic:
    """Counts requests by source (`gamma`, `clob`, `data`, `rpc`)."""

    def __init__(self) -> None:
        self._total: Counter[str] = Counter()
        self._most: dict[str, int] = {}
        self._times: dict[str, deque[float]] = {}

    def note(self, side: str, now: float) -> None:
        """Count a request; `now` is monotonic seconds."""
        times = self._times.setdefault(side, deque())
        times.append(now)
        while now - times[0] >= WINDOW_S:
            times.popleft()
        self._total[side] += 1
        self._most[side] = max(self._most.get(side, 0), len(times))

    def summary(self) -> dict[str, dict[str, int]]:
        """Return source → total and the most in any ten seconds."""
        return {
            side: {"total": total, "most_in_10_s": self._most[side]}
            for side, total in sorted(self._total.items())
        }


class Simulation:
    """A run of the simulator. Used on the event loop only.

    Args:
        options: Of the command line.
        monotonic: Seconds, for what is due.
        clock: Seconds since 1970, read once; wall time then follows `monotonic`,
            so that it never steps back.

    Attributes:
        look: The recording of a look that is served, or None.
        look_player: Sends its frames.

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
        recordings = load(options.replay)
        if recordings.look is not None:
            options = replace(options, broken=shown_by(recordings.look, options.broken))
        self.options = options
        self.now = monotonic
        self._started = monotonic()
        self._offset = clock() - clock_ahead_s(options.broken) - self._started
        self.ledger = Ledger(options.directory)
        lines = list(history(self.ledger.path))
        self.run = _run_number(options, lines)
        self.markets = Markets(
            options.seed, self.run, options.pace, odd=options.odd, broken=options.broken
        )
        rng = random.Random(f"exchange:{options.seed}:{self.run}")
        self.pool = pool = LevelPool(options.seed)
        self.channel = Channel(self.markets, self.ledger, pool, rng, options.broken)
        self.exchange = Exchange(options, self.markets, self.channel, self.ledger, pool, rng)
        self.injector = FaultInjector(
            options.faults, self.markets, self.channel, self.ledger, pool, rng
        )
        self.traffic = Traffic()
        self.ledger.add("run", run=self.run, seed=options.seed, ts=self.wall())
        self.markets.reload(lines, self.wall())
        self.exchange.populate(self.wall())
        add_recorded_markets(recordings, self.markets, self.exchange, self.wall())
        self._player = Player(
            () if recordings.look else recordings.frames,
            options.replay.per_second,
            self.channel,
            self.ledger,
            self.exchange.generator,
        )
        self.look = recordings.look
        self.look_player: LookPlayer | None = None
        if self.look is not None:
            self.look_player = LookPlayer(
                self.look, options.replay.speed, self.channel, self._player.record
            )
        self._turned = self._timeouts_at = self._started
        self.ledger.flush()

    def wall(self) -> int:
        """Return the wall time in milliseconds since 1970."""
        return int((self.now() + self._offset) * 1000)

    @property
    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self.now() - self._started

    def fault_value(self, kind: str) -> float | None:
        """Return the value of a lasting fault in force, else None."""
        return self.injector.active.value(kind, self.now())

    def turn(self) -> None:
        """Do what is due now: faults, replay, exchange, timeouts."""
        now, wall = self.now(), self.wall()
        self.injector.turn(now - self._started, now, wall)
        self._player.turn(min(now - self._turned, LATEST_S))
        self._turned = now
        if self.look_player is not None:
            self.look_player.turn(now, wall / 1000)
        self.exchange.turn(now, wall)
        if now >= self._timeouts_at:
            self._timeouts_at = now + TIMEOUTS_S
            self._end_idle(now)

    def _end_idle(self, now: float) -> None:
        """End connections that never subscribe or send nothing for long, as the exchange does."""
        options = self.options
        for one in tuple(self.channel.connections.values()):
            silent = now - one.last_received
            if not one.subscribed and silent > options.subscribe_timeout:
                one.close(1008, "subscription timeout", by="server")
            elif silent > options.idle_timeout:
                one.cut("idle", by="server")

    def summary(self) -> dict[str, Any]:
        """Return the counts of this run."""
        return {
            "run": self.run,
            "sent": self.exchange.generator.n,
            "delivered": self.exchange.delivered,
            "noise": self.exchange.noise,
            "markets": len(self.markets),
            "trading": len(self.exchange.calendar.trading),
            "resolved": self.exchange.calendar.resolved,
            "connections": {
                "open": len(self.channel.connections),
                "total": self.channel.opened,
                "with_cookies": self.channel.with_cookies,
            },
            "faults": dict(self.injector.counts),
            "requests": self.traffic.summary(),
            "elapsed_s": round(self.elapsed, 3),
        }


def shown_by(look: Look, broken: frozenset[str]) -> frozenset[str]:
    """Return the breaks in force where a recording shows some to be, and some not to be."""
    shown, intact = look.breaks()
    taken = {BREAKS[name].group for name in shown} - {""}
    return frozenset(name for name in broken if BREAKS[name].group not in taken) - intact | shown


def _run_number(options: Options, lines: list[dict[str, Any]]) -> int:
    taken = {line["run"] for line in lines if line["kind"] == "run"}
    if options.run is None:
        return max(taken, default=0) + 1
    if options.run in taken:
        raise BadOption(f"argument --run: run {options.run} is in {options.directory} already")
    return options.run
