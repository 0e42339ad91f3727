"""A handover: the connection of one slot, and now and then the one that is to replace it.

A successor listens beside the one in charge until it hears at least as much,
and only then the old one retires. So a replacement makes no gap, with one feed
too, and doubles nothing: identical trades are numbered by each connection on its
own, and the one in charge stays until it has handled all that the exchange sent
before the successor's last `book`. So all trades of any one millisecond were
heard, from the first twin to the last, by at least one of the two, which gives
them their right numbers; the other one may have missed the first twins, and
its lower numbers are repeats of rows that are there.

Seconds are monotonic.
"""

from enum import Enum, auto
from typing import Final

import msgspec

from actors.model.connection import LISTENING
from actors.model.trade import TokenId

REST_S: Final = 600.0


class MemberState(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection stands, as it last reported."""

    state: str
    tokens: int
    confirmed: int
    proven_until_ns: int

    @property
    def complete(self) -> bool:
        """Return whether it hears every token that it should."""
        return self.state == LISTENING and self.confirmed >= self.tokens


class Step(Enum):
    """What is to be done with a handover."""

    STAY = auto()
    HAND_OVER = auto()
    ABANDON = auto()


class Handover:
    """One or two connections of one slot.

    Attributes:
        in_charge: Whose place it is.
        successor: Who is to take it, or empty.
        reason: Why.

    Args:
        due_at: When the one in charge has served its time.
        patience_s: How long a successor may take to hear everything.
        overlap_s: How long the one in charge may take to prove that it heard all
            that came before the successor was complete.
    """

    def __init__(
        self,
        slot: str,
        feed: int,
        *,
        due_at: float,
        patience_s: float = 60.0,
        overlap_s: float = 10.0,
    ) -> None:
        self.slot, self.feed = slot, feed
        self.in_charge, self.successor, self.reason = slot, "", ""
        self._due_at = due_at
        self._patience_s = patience_s
        self._overlap_s = overlap_s
        self._serial = 0
        self._began_at = 0.0
        self._rests_until = float("-inf")
        self._complete: tuple[float, int] | None = None
        self._standing: dict[str, MemberState] = {}
        self._tried: frozenset[TokenId] = frozenset()
        self._unheard: frozenset[TokenId] = frozenset()
        self._deaf = False

    @property
    def members(self) -> tuple[str, ...]:
        """Return who listens, or is to."""
        return (self.in_charge, self.successor) if self.successor else (self.in_charge,)

    def reported(
        self, connection: str, standing: MemberState, *, unheard: tuple[TokenId, ...], deaf: bool
    ) -> None:
        """A connection of this handover says how it is."""
        self._standing[connection] = standing
        if connection == self.in_charge:
            self._unheard, self._deaf = frozenset(unheard), deaf

    def ended(self, connection: str) -> None:
        """A life of a connection of this handover is over."""
        self._standing.pop(connection, None)
        if connection == self.in_charge:
            self._unheard, self._deaf = frozenset(), False

    # ------------------------------------------------------------- beginning

    def wish(self, now: float) -> str:
        """Return why a successor is needed: `deaf`, `unconfirmed`, `scheduled`, or nothing.

        Nobody is replaced who does not listen, that is left to its next life; and
        nobody twice for the same tokens: a fresh connection did not hear them either.
        """
        standing = self._standing.get(self.in_charge)
        listens = standing is not None and standing.state == LISTENING
        if self.successor or not listens or now < self._rests_until:
            return ""
        if self._deaf:
            return "deaf"
        if self._unheard - self._tried:
            return "unconfirmed"
        return "scheduled" if now >= self._due_at else ""

    def begin(self, now: float, reason: str) -> str:
        """Name a successor."""
        self._serial += 1
        self.successor, self.reason = f"{self.slot}.{self._serial}", reason
        self._began_at, self._complete = now, None
        self._tried |= self._unheard
        return self.successor

    # ---------------------------------------------------------------- ending

    def step(self, now: float, wall_ns: int) -> Step:
        """Return what the replacement has come to."""
        if not self.successor:
            return Step.STAY
        old, new = self._standing.get(self.in_charge), self._standing.get(self.successor)
        if old is None:
            return Step.HAND_OVER
        late = now - self._began_at >= self._patience_s
        equal = late and new is not None and new.confirmed >= old.confirmed
        if new is None or not (new.complete or (equal and new.state == LISTENING)):
            self._complete = None
            return Step.ABANDON if late else Step.STAY
        if self._complete is None:
            self._complete = (now, wall_ns)
        since, since_ns = self._complete
        heard = old.proven_until_ns >= since_ns or now - since >= self._overlap_s
        return Step.HAND_OVER if heard else Step.STAY

    def hand_over(self, *, due_at: float) -> str:
        """Put the successor in charge; give who is to retire."""
        old, self.in_charge, self.successor = self.in_charge, self.successor, ""
        self._standing.pop(old, None)
        self._due_at = due_at
        self._unheard, self._deaf = frozenset(), False
        return old

    def abandon(self, now: float) -> str:
        """Leave everything as it was, for some time; give who is to retire."""
        gone, self.successor = self.successor, ""
        self._standing.pop(gone, None)
        self._rests_until = now + REST_S
        return gone
