"""Which hours of which markets are audited, and how soon after each other.

A round is about one hour. Rounds take turns: the latest hour that is settled, and one of the day
before it, by preference one in which a connection began or ended. A round asks the database which
markets can be audited; those whose listening began or ended in that hour come first, and of the
others three that traded for each one that is not known to have traded. An hour of which something
outside gaps is missing is audited again before all others: a mistake of the witness, and a trade
that was stored since, end it. What was audited is in the database, so that a restart repeats
nothing.
"""

from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from actors.audit.comparison import EDGE_MS, HOUR_MS, SETTLED_MS, Hour
from actors.model.audit import AuditSummary, Candidate, Sample, SampleQuestion, Witness
from actors.model.trade import ConditionId

OVER_MS: Final = 900_000
"""An hour is audited so long after its end at the earliest."""
DAY_HOURS: Final = 24
"""Hours before it that are audited, too."""
AGAIN_MS: Final = 12 * 3_600_000
"""An hour of a market is audited again after so long, when it is drawn again."""
DISPUTED_AGAIN: Final = 12
"""So many times as often an hour of which something is missing."""
MOST_IN_A_ROUND: Final = 10
QUIET_AFTER: Final = 3
"""After so many markets that traded comes one that is not known to have traded."""


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """How long everything is, in milliseconds; shorter in rehearsals."""

    hour_ms: int = HOUR_MS
    over_ms: int = OVER_MS
    edge_ms: int = EDGE_MS
    settled_ms: int = SETTLED_MS
    again_ms: int = AGAIN_MS

    def latest_ms(self, wall_ms: int) -> int:
        """Return when the latest hour begins that may be audited."""
        return (wall_ms - self.over_ms) // self.hour_ms * self.hour_ms - self.hour_ms

    def hour(self, condition_id: ConditionId, hour_ms: int) -> Hour:
        """Return an hour of a market."""
        return Hour(
            condition_id=condition_id,
            hour_ms=hour_ms,
            length_ms=self.hour_ms,
            edge_ms=self.edge_ms,
            settled_ms=self.settled_ms,
        )


class Rounds:
    """Chooses what is audited next. In the thread of its actor.

    Args:
        rng: Chance, by which nobody can know what is audited.
        witness: Who is asked.
        lengths: Of hours and waits.
    """

    def __init__(self, rng: Random, witness: Witness, lengths: Lengths | None = None) -> None:
        self._rng = rng
        self._witness = witness
        self._lengths = lengths or Lengths()
        self._number = 0
        self._eventful: tuple[int, ...] = ()
        self._disputed: tuple[tuple[ConditionId, int], ...] = ()
        self._tried: dict[tuple[ConditionId, int], int] = {}
        self._wall_ms = 0
        self._waiting: deque[Hour] = deque()

    def next(self) -> Hour | None:
        """Return what to audit next; None when a new round is needed."""
        return self._waiting.popleft() if self._waiting else None

    def summarised(self, summary: AuditSummary) -> None:
        """Take in which hours a connection began or ended, and of which something is missing."""
        self._eventful, self._disputed = summary.eventful, summary.disputed
        self._tried = {each: self._tried[each] for each in self._disputed if each in self._tried}

    def question(self, wall_ms: int) -> SampleQuestion:
        """Begin a round; return what the database is asked for it."""
        length = self._lengths.hour_ms
        latest = self._lengths.latest_ms(wall_ms)
        hour_ms = latest if self._number % 2 == 0 else self._earlier(latest)
        self._number += 1
        self._wall_ms = wall_ms
        return SampleQuestion(
            witness=self._witness,
            from_ms=hour_ms,
            until_ms=hour_ms + length,
            probe_ms=hour_ms + self._rng.randrange(length),
            after=ConditionId(f"0x{self._rng.getrandbits(256):064x}"),
            again_ms=wall_ms - self._lengths.again_ms,
        )

    def _earlier(self, latest: int) -> int:
        """Return an hour of the day before the latest."""
        length = self._lengths.hour_ms
        earliest = latest - DAY_HOURS * length
        eventful = [each for each in self._eventful if earliest <= each <= latest]
        return self._rng.choice(eventful or range(earliest, latest, length))

    def sampled(self, question: SampleQuestion, sample: Sample) -> None:
        """Take what the database answered."""
        self._waiting.clear()
        again = [self._lengths.hour(*each) for each in self._disputed_due()]
        drawn = [
            self._lengths.hour(each.condition_id, question.from_ms)
            for each in self._in_turn(sample.candidates)
        ]
        self._waiting.extend([*again, *drawn][:MOST_IN_A_ROUND])

    def _disputed_due(self) -> list[tuple[ConditionId, int]]:
        """Return half a round at most of what is due to be audited again, and count it as tried."""
        before = self._wall_ms - self._lengths.again_ms // DISPUTED_AGAIN
        due = [each for each in self._disputed if self._tried.get(each, before) <= before]
        due = sorted(due, key=lambda each: self._tried.get(each, 0))[: MOST_IN_A_ROUND // 2]
        self._tried.update(dict.fromkeys(due, self._wall_ms))
        return due

    def _in_turn(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        mixed = list(candidates)
        self._rng.shuffle(mixed)
        first = [each for each in mixed if each.touched]
        traded = deque(each for each in mixed if each.traded and not each.touched)
        quiet = deque(each for each in mixed if not each.traded and not each.touched)
        while traded or quiet:
            first += [traded.popleft() for _ in range(min(QUIET_AFTER, len(traded)))]
            if quiet:
                first.append(quiet.popleft())
        return first


class Pace:
    """Spreads audits over the hour.

    Args:
        markets: How many an hour.
        now: Monotonic seconds.
    """

    def __init__(self, markets: int, now: float) -> None:
        self._every_s = 3_600.0 / markets
        # Not at once: a process that starts again and again audits no more than another.
        self._next_at = now + self._every_s

    def is_due(self, now: float) -> bool:
        """Return whether another audit may begin."""
        return now >= self._next_at

    def began(self, now: float) -> None:
        """Count that one began; what was not used is not made up for."""
        self._next_at = now + self._every_s
