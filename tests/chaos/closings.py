"""A day on which tens of thousands of markets end, in virtual time: when is each label there?

    python -m tests.chaos.closings --markets 40000 --stuck 5000 --slow clob=5

The resolution actor is the real one; sources, writer and clock are not, and nothing sleeps: ticks
come each second, each source answers one request at a time after its latency, and what is to be
stored is stored a second later. The last line is JSON. `kept` is whether no label is wrong or
missing, none was sent twice, and no rate limit was exceeded. Two latencies, from the moment when
the second source is final to the message with the label: of all sources, and of those that are not
slow.
"""

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from actors.actor import Address, Addresses, Incarnation
from actors.messages import Message, ResolutionReport, UniverseChanged
from actors.model.market import Source
from actors.polymarket.contract.slots import COLLATERALS, position_ids
from actors.polymarket.sources import MOST
from actors.resolution.actor import ResolutionActor, ResolutionSettings
from tests.chaos.closing_world import ASKED, NEVER, Closing, ClosingWorld, plan
from tests.chaos.virtual_time import (
    VirtualAsker,
    VirtualTime,
    VirtualWriter,
    most_in_window,
    tick_of,
)
from tests.fakes_box import drain

POLL_S, HOLD_S = 60.0, 120.0
KNOWN_S = 3_600.0
"""A market is announced so long before its end."""
AFTER_S = 2_400.0
"""The day goes on for so long after the last end, so that every label can come."""
SAMPLES = 5


@dataclass(frozen=True)
class DaySize:
    """The size of a day.

    Attributes:
        hours: In which the markets end.
        usual_s: How long an answer takes.
        slow: Sources that take longer, and how long.
    """

    markets: int = 40_000
    stuck: int = 5_000
    hours: float = 24.0
    usual_s: float = 0.1
    slow: Mapping[Source, float] = field(default_factory=dict)
    seed: int = 1

    @property
    def delays_s(self) -> dict[Source, float]:
        """Return how long the answers of each source take."""
        return {each: self.slow.get(each, self.usual_s) for each in ASKED}

    @property
    def end_s(self) -> float:
        return self.hours * 3600 + AFTER_S


class Reports(Address):
    """Keeps what the figures need of the reports to the supervisor.

    Attributes:
        most_waiting: Findings that waited for the database at once.
        failures: Requests that failed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most_waiting = self.failures = 0

    def tell(self, message: Message) -> None:
        if isinstance(message, ResolutionReport):
            self.most_waiting = max(self.most_waiting, message.waiting)
            self.failures = sum(failed for *_, failed in message.requests)


class ClosingDay:
    """One day with one actor.

    Attributes:
        sizes_mib: Of what the actor holds, after each part of the day.
    """

    def __init__(self, size: DaySize, world: ClosingWorld) -> None:
        self._size, self._world = size, world
        self.clock = VirtualTime()
        self.reports = Reports()
        self.writer = VirtualWriter(self.clock, world.markets)
        self.asker = VirtualAsker(self.clock, world, size.delays_s)
        self.actor = ResolutionActor(
            Incarnation("resolution", 1, tick_of(self.clock)),
            to=Addresses(supervisor=self.reports, writer=self.writer, catalog=Address()),
            asker=self.asker,
            settings=ResolutionSettings(poll_s=POLL_S, hold_s=HOLD_S),
        )
        self.asker.deliver_to(self.actor)
        self.writer.answer_to(self._send)
        self.sizes_mib: list[float] = []

    def run(self) -> float:
        """Run to the end; return the processor time, that of the sources included."""
        self._plan_announcements()
        self.clock.at(0.0, self._tick)
        spent_s = 0.0
        for part in range(1, SAMPLES + 1):
            began = time.process_time()
            self.clock.run(self._size.end_s * part / SAMPLES)
            spent_s += time.process_time() - began
            self.sizes_mib.append(round(bytes_held(self.actor) / 2**20, 1))
        return spent_s

    def _send(self, message: Message) -> None:
        self.actor.on_receive(message)
        drain(self.actor)

    def _tick(self) -> None:
        self._send(tick_of(self.clock))
        self.clock.after(1.0, self._tick)

    def _plan_announcements(self) -> None:
        """Announce the markets once a minute, those of the first hour and stuck ones at once."""
        minutes: dict[int, list[Closing]] = {}
        for each in self._world.markets.values():
            minutes.setdefault(max(0, int((each.end_s - KNOWN_S) // 60)), []).append(each)
        for minute, found in minutes.items():
            self.clock.at(minute * 60.0, lambda found=found: self._announce(found))  # type: ignore[misc]

    def _announce(self, found: list[Closing]) -> None:
        added = tuple(each.market() for each in found)
        self._send(UniverseChanged(added=added, removed=()))


def bytes_held(actor: object) -> int:
    """Return the bytes of what an actor holds: its own structures and all that they reach."""
    own = {name: each for name, each in vars(actor).items() if name.startswith("_")}
    for name in ("_asker", "_writer", "_catalog", "_me", "_sources"):
        own.pop(name, None)
    seen: set[int] = set()
    left: deque[object] = deque((own,))
    total = 0
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, type | Address) or callable(each):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        left.extend(_parts(each))
    return total


def _parts(value: object) -> Any:
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    if isinstance(value, list | tuple | set | frozenset | deque):
        return tuple(value)
    if isinstance(value, msgspec.Struct):
        return tuple(getattr(value, name) for name in value.__struct_fields__)
    return tuple(getattr(value, "__dict__", {}).values())


# ------------------------------------------------------------------- figures


def figures(size: DaySize, day: ClosingDay, cpu_s: float) -> dict[str, Any]:
    """Compare what was sent to the database with the plan."""
    markets, resolved = day.writer.markets, day.writer.resolved
    due = [each for each in markets.values() if each.second_s() != NEVER]
    slow = max(size.slow, key=lambda each: size.slow[each], default=None)
    late = [resolved[e.condition_id][0] - e.second_s() for e in due if e.condition_id in resolved]
    others = [
        resolved[e.condition_id][0] - e.second_s(without=slow)
        for e in due
        if e.condition_id in resolved
    ]
    wrong = sum(
        resolution.winning_token_id != markets[key].tokens[markets[key].winner]
        or markets[key].second_s() > at_s
        for key, (at_s, resolution) in resolved.items()
    )
    most = {each.value: most_in_window(times) for each, times in day.asker.asked_s.items()}
    found = {
        "markets": size.markets,
        "stuck": size.stuck,
        "hours": size.hours,
        "slow": {each.value: seconds for each, seconds in size.slow.items()},
        "right": len(resolved) - wrong,
        "wrong": wrong,
        "missing": len(due) - len(late),
        "sent_twice": len(day.writer.again),
        "contradictions": day.writer.contradictions,
        **percentiles("second_final_to_label", late),
        **(percentiles("second_of_the_others_to_label", others) if slow else {}),
        "requests": {each.value: len(times) for each, times in day.asker.asked_s.items()},
        "most_in_10_s": most,
        "allowed_in_10_s": {each.value: MOST[each] for each in day.asker.asked_s},
        "over_limit": [name for name, count in most.items() if count > MOST[Source(name)]],
        "failures": day.reports.failures,
        "most_findings_waiting": day.reports.most_waiting,
        "actor_mib": day.sizes_mib,
        "cpu_s": round(cpu_s, 1),
    }
    bad = ("wrong", "missing", "sent_twice", "contradictions", "over_limit", "failures")
    return {"kept": not any(found[name] for name in bad), **found}


def percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the greatest, each under a name of its own."""
    found = sorted(seconds) or [0.0]
    last = len(found) - 1
    places = {"p50": last // 2, "p99": last * 99 // 100, "most": last}
    return {f"{name}_{word}_s": round(found[place], 1) for word, place in places.items()}


def run_day(size: DaySize) -> dict[str, Any]:
    """Run one day and return its figures."""
    markets = plan(
        markets=size.markets,
        stuck=size.stuck,
        hours=size.hours,
        seed=size.seed,
        # Not through its cache: computing them is the work of the actor, too.
        tokens_of=lambda each: position_ids.__wrapped__(each, COLLATERALS[0]),
    )
    day = ClosingDay(size, ClosingWorld(markets))
    return figures(size, day, day.run())


def parse_slow(text: str) -> dict[Source, float]:
    """Return what a text like `clob=5,data=2` says.

    Raises:
        ValueError: It says nothing of the kind.
    """
    pairs = (word.partition("=") for word in text.split(",") if word)
    return {Source(name): float(seconds) for name, _, seconds in pairs}


def main() -> int:
    """Run and print; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=DaySize.markets)
    parser.add_argument("--stuck", type=int, default=DaySize.stuck)
    parser.add_argument("--hours", type=float, default=DaySize.hours)
    parser.add_argument("--usual", dest="usual_s", type=float, default=DaySize.usual_s)
    parser.add_argument("--slow", type=parse_slow, default={}, help="SOURCE=SECONDS,…")
    parser.add_argument("--seed", type=int, default=DaySize.seed)
    size = DaySize(**vars(parser.parse_args()))
    found = run_day(size)
    sys.stdout.write(json.dumps(found) + "\n")
    return int(not found["kept"])


if __name__ == "__main__":
    sys.exit(main())
