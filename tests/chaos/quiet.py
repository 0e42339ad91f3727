"""A quiet universe, the weekly restart, sockets that freeze: what they cost whole feeds.

    make drift                             every case, and then the breaks of `drift.py`
    python -m tests.chaos.quiet --short    without the thousands of connections

Supervisor and connections are the real ones, on a clock that only the program moves (see
`whole_feed.py`). One line for each case; exit code 1 when one is not as it must be.
"""

import argparse
import itertools
import logging
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from actors.model.trade import TokenId
from tests.chaos.whole_feed import ANSWERS, SILENCE_S, Exchange, World

HOUR_S = 3_600.0
RESTART_S = 90.0
"""How long the exchange is silent once a week."""
APART_S = 60.0
"""Within this time the connections of only one feed may end in a quiet hour."""
MOST_GAPS = 0.001
SHOWN_S = 30.0
MANY_SHOWN_S = 120.0
"""After the silence limit all of 20, and all of 1,500 frozen connections are replaced."""
FEW, MANY = 20, 1_500
GIVE_UP_S = 600.0
PROVEN_S = 10.0
"""So long after the last trade the proof of it is written."""


@dataclass
class Outcome:
    """What became of one case; seconds of the exchange.

    Attributes:
        replaced: Connections that ended.
        gap_share: Of the time that counts, over all tokens.
        whole_s: Until every token was listened to again on both feeds; None: never.
        wrong: What is not as it must be.
    """

    name: str
    connections: int = 0
    replaced: int = 0
    trials: int = 0
    gap_share: float = 0.0
    whole_s: float | None = None
    wrong: list[str] = field(default_factory=list)
    took_s: float = 0.0

    def line(self) -> str:
        """Return the outcome as one line."""
        whole = "-" if self.whole_s is None else f"{self.whole_s:.0f} s"
        wrong = f" | {'; '.join(self.wrong)}" if self.wrong else ""
        return (
            f"{self.name:44} {'FAIL' if self.wrong else 'PASS'} {self.connections:5} connections"
            f" · replaced {self.replaced:4} · trials {self.trials:3}"
            f" · in gaps {self.gap_share:8.4%} · whole after {whole:5} · took {self.took_s:.0f} s"
            f"{wrong}"
        )


class Case:
    """One world that was well for a while, and what is measured of it from then on."""

    def __init__(self, name: str, world: World) -> None:
        self.outcome = Outcome(name)
        self.world = world
        self._took = time.monotonic()
        self._rng = random.Random(1)
        world.run(130, trades=self.some)
        self._began_s, self._began_ns = world.now, world.wall_ns
        self._trials = self._abandoned()
        self.outcome.connections = len(world.exchange.sockets)

    def some(self) -> Iterable[TokenId]:
        """Return the tokens that trade in one second: each connection trades once in 10 s."""
        tokens = self.world.tokens
        return self._rng.sample(tokens, max(1, len(tokens) // 20))

    def until_whole(self, within_s: float, trades: Callable[[], Iterable[TokenId]]) -> None:
        """Let time pass until every token is listened to on both feeds."""
        world, began = self.world, self.world.now
        while world.now - began < within_s:
            world.run(1, trades=trades)
            # Twice: what was not noticed before shows in the next second.
            if world.whole() and self.outcome.whole_s is not None:
                return
            self.outcome.whole_s = world.now - began if world.whole() else None

    def done(self, until_ns: int) -> Outcome:
        """Return the outcome: gaps count until then."""
        outcome, world = self.outcome, self.world
        missing, wanted = world.gaps(self._began_ns, until_ns)
        outcome.gap_share = missing / wanted
        outcome.replaced = len(world.ended(self._began_s))
        outcome.trials = self._abandoned() - self._trials
        outcome.took_s = time.monotonic() - self._took
        return outcome

    def _abandoned(self) -> int:
        return sum(reason == "abandoned" for _, _, reason in self.world.ends)

    def check_ends(self, hours: float) -> None:
        """Note connections that ended too often, and both feeds at about the same time."""
        ends = self.world.ended(self._began_s)
        slots = [name.partition(".")[0] for _, name, _ in ends]
        often = {slot for slot in slots if slots.count(slot) > hours}
        if often:
            self.outcome.wrong.append(
                f"replaced more than once an hour: {', '.join(sorted(often))}"
            )
        times: dict[str, list[float]] = {"a": [], "b": []}
        for at, name, _ in ends:
            times.setdefault(name[0], []).append(at)
        if any(abs(a - b) < APART_S for a in times["a"] for b in times["b"]):
            self.outcome.wrong.append(f"both feeds within {APART_S:.0f} s")


def quiet_hour(answer: str, markets: int, *, books: bool, stops: bool) -> Outcome:
    """Let no market trade for an hour; then one trades, or the tracker is stopped."""
    how = "stopped in it" if stops else "trades go on"
    asked = "/books answers" if books else "no /books"
    world = World(Exchange(answer=answer, books=books), per_connection=10).listen(markets)
    case = Case(f"quiet hour {markets:2} {answer:14} {asked}, {how}", world)
    world.run(HOUR_S)
    if stops:
        # What was asked last proves the silence until then, so the rest cannot be proven.
        until_ns = world.wall_ns - int(SILENCE_S * 1e9)
        world.stop()
    else:
        until_ns = world.wall_ns - 2_000_000_000
        world.exchange.trade(world.tokens)
        world.run(10)
        case.until_whole(60, tuple)
    outcome = case.done(until_ns)
    case.check_ends(1.0)
    proven = books or (answer == "repeat_book")
    if proven and outcome.gap_share >= MOST_GAPS:
        outcome.wrong.append("proven silence is a gap")
    return outcome


def weekly_restart(answer: str, connections: int, *, books: bool, dead: bool) -> Outcome:
    """Let the exchange be silent for 90 s; its sockets go on afterwards, or are dead."""
    world = _world(answer, connections, books=books)
    state = "sockets dead" if dead else "sockets alive"
    asked = "/books answers" if books else "no /books"
    case = Case(f"weekly restart {answer:14} {asked}, {state}", world)
    exchange = world.exchange
    exchange.silent = True
    if dead:
        exchange.unreachable = True
        exchange.cut_all()
    world.run(RESTART_S)
    exchange.silent = exchange.unreachable = False
    exchange.trade(world.tokens)  # so that every connection notices
    case.until_whole(GIVE_UP_S, case.some)
    world.run(30, trades=case.some)
    exchange.trade(world.tokens)
    world.run(PROVEN_S)
    outcome = case.done(world.wall_ns - int((PROVEN_S + 2) * 1e9))
    # What gets a book once on a socket, and is in doubt, needs another socket.
    if not dead and outcome.replaced and (books or answer != "repeat_nothing"):
        outcome.wrong.append("the restart replaces connections")
    if outcome.whole_s is None:
        outcome.wrong.append(f"not whole after {GIVE_UP_S:.0f} s")
    return outcome


def frozen_for_good(connections: int, *, books: bool) -> Outcome:
    """Freeze every open socket for good; new ones work, and trades go on."""
    world = _world("repeat_text", connections, books=books)
    asked = "/books answers" if books else "no /books"
    case = Case(f"all sockets frozen for good    {asked}", world)
    for socket in world.exchange.sockets:
        socket.frozen = True
    limit_s = SILENCE_S + (SHOWN_S if connections <= FEW else MANY_SHOWN_S)
    case.until_whole(GIVE_UP_S, case.some)
    world.exchange.trade(world.tokens)
    world.run(PROVEN_S)
    outcome = case.done(world.wall_ns - int((PROVEN_S + 2) * 1e9))
    if outcome.whole_s is None or outcome.whole_s > limit_s:
        outcome.wrong.append(f"more than {limit_s:.0f} s")
    return outcome


def _world(answer: str, connections: int, *, books: bool) -> World:
    """Return a world of so many connections: ten slots or more of each feed."""
    slots = connections // 2
    markets = 2 * slots if connections <= FEW else slots
    per_connection = 4 if connections <= FEW else 2
    exchange = Exchange(answer=answer, books=books)
    return World(exchange, per_connection=per_connection).listen(markets)


Run = Callable[[], Outcome]


def short_cases() -> list[Run]:
    """Return the cases of few connections."""
    cases: list[Run] = []
    for answer, books in itertools.product(ANSWERS, (True, False)):
        for markets, stops in itertools.product((1, FEW), (False, True)):
            cases.append(partial(quiet_hour, answer, markets, books=books, stops=stops))
        cases += [
            partial(weekly_restart, answer, FEW, books=books, dead=dead) for dead in (False, True)
        ]
    return [*cases, *(partial(frozen_for_good, FEW, books=books) for books in (True, False))]


def many_cases() -> list[Run]:
    """Return the cases of 1,500 connections."""
    return [
        partial(weekly_restart, "repeat_text", MANY, books=False, dead=False),
        partial(weekly_restart, "repeat_text", MANY, books=True, dead=True),
        *(partial(frozen_for_good, MANY, books=books) for books in (True, False)),
    ]


def main() -> int:
    """Run the cases and print a line for each; exit code 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="without 1,500 connections")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    failed = False
    for case in (*short_cases(), *(() if given.short else many_cases())):
        outcome = case()
        failed = failed or bool(outcome.wrong)
        sys.stdout.write(outcome.line() + "\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
