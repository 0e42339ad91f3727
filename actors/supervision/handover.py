"""Handover: replaces the connection of one slot without a gap.

A successor listens beside the active connection until it receives at least as much. Only
then does it become active and its predecessor retire. A few tokens that the predecessor once
confirmed and does not hear any more, as those of a market that has settled, do not count. So
there is no gap, even with a single feed, and no trade is stored twice. Identical trades are
told apart by their occurrence, which each connection counts on its own. The predecessor
therefore stays until it has handled all that the exchange sent before the successor's last
`book`. Then all trades of any one millisecond were received, from the first occurrence to the
last, by at least one of the two, and that one numbered them correctly. The other one may have
missed the first occurrences; its lower numbers are duplicates of rows that exist.

Decides only; seconds are monotonic.
"""

from enum import Enum, auto
from typing import Final

import msgspec

from actors.model.connection import LISTENING
from actors.model.trade import TokenId

RETRY_S: Final = 600.0
"""Time between an abandoned handover and the next one of the same slot."""
TRIAL: Final = "exchange_silent"
"""The reason of a handover that is tried while all connections are silent."""
TRIAL_S: Final = 600.0
"""How long a trial may last."""


LEAST_SILENT: Final = 4
SILENT_SHARE: Final = 10
"""So many tokens, or one in so many if that is more, may be silent on the predecessor."""


class MemberState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one of the two connections, as last reported.

    Attributes:
        waiting: The tokens whose first `book` did not come yet.
        traded: The tokens of which it received trades in the last minute or two.
    """

    state: str
    tokens: int
    confirmed: int
    proven_until_ns: int
    waiting: frozenset[TokenId] = frozenset()
    traded: frozenset[TokenId] = frozenset()

    @property
    def fully_confirmed(self) -> bool:
        """Return whether it listens to all of its tokens."""
        return self.state == LISTENING and self.confirmed >= self.tokens

    def replaces(self, old: "MemberState") -> bool:
        """Return whether nothing is lost that the other one still hears.

        More than a few tokens are never left out: that looks like a limit of the exchange, and of
        most tokens no trade comes for minutes.
        """
        if self.confirmed >= old.confirmed:
            return True
        lacking = self.waiting - old.waiting
        most = max(LEAST_SILENT, old.tokens // SILENT_SHARE)
        explained = old.confirmed - self.confirmed <= len(lacking) <= most
        return explained and old.traded.isdisjoint(lacking)


class HandoverStep(Enum):
    """What has to be done next with a handover."""

    WAIT = auto()
    COMPLETE = auto()
    ABANDON = auto()


class Handover:
    """The connection of one slot, and its successor while there is one.

    Attributes:
        active: The connection of the slot.
        successor: The connection that is to replace it, or an empty text.
        reason: Why it is replaced.

    Args:
        due_at: When the active connection is to be replaced because of its age.
        listen_s: How long a successor may take to listen to everything.
        overlap_s: How long the predecessor may take to prove that it received all
            that was sent before the successor was fully confirmed.
    """

    def __init__(
        self,
        slot: str,
        feed: int,
        *,
        due_at: float,
        listen_s: float = 60.0,
        overlap_s: float = 10.0,
    ) -> None:
        self.slot, self.feed = slot, feed
        self.active, self.successor, self.reason = slot, "", ""
        self._due_at = due_at
        self._listen_s = listen_s
        self._overlap_s = overlap_s
        self._serial = 0
        self._started_at = 0.0
        self._not_before = float("-inf")
        self._confirmed_since: tuple[float, int] | None = None  # (monotonic s, wall clock ns)
        self._states: dict[str, MemberState] = {}
        self._tried: frozenset[TokenId] = frozenset()
        self._unanswered: frozenset[TokenId] = frozenset()
        self._misses_trades = False

    @property
    def connections(self) -> tuple[str, ...]:
        """Return the active connection and its successor, if there is one."""
        return (self.active, self.successor) if self.successor else (self.active,)

    # --------------------------------------------------------------- reports

    def reported(
        self,
        connection: str,
        state: MemberState,
        *,
        unanswered: tuple[TokenId, ...],
        misses_trades: bool,
    ) -> None:
        """Take the report of one of the two.

        Args:
            connection: Its name.
            state: Its state.
            unanswered: Tokens whose subscriptions the exchange never confirmed.
            misses_trades: It keeps missing trades that another feed received.
        """
        self._states[connection] = state
        if connection == self.active:
            self._unanswered, self._misses_trades = frozenset(unanswered), misses_trades

    def ended(self, connection: str) -> None:
        """Forget the state of one of the two; its incarnation is over."""
        self._states.pop(connection, None)
        if connection == self.active:
            self._unanswered, self._misses_trades = frozenset(), False

    # ----------------------------------------------------------------- start

    def due(self, now: float) -> str:
        """Return why a handover is due: `token_missed`, `unconfirmed`, `scheduled`, or nothing.

        A connection that does not listen is not replaced: its restart repairs that, unless it
        listened before and gets no `book` any more. Nor is one replaced twice for the same
        unconfirmed tokens, since a new connection did not get them confirmed either.
        """
        state = self._states.get(self.active)
        if self.successor or state is None or now < self._not_before:
            return ""
        if state.state != LISTENING:
            return "unconfirmed" if self._unanswered - self._tried else ""
        if self._misses_trades:
            return "token_missed"
        if self._unanswered - self._tried:
            return "unconfirmed"
        return "scheduled" if now >= self._due_at else ""

    def start(self, now: float, reason: str) -> str:
        """Start a handover and return the name of the successor."""
        self._serial += 1
        self.successor, self.reason = f"{self.slot}.{self._serial}", reason
        self._started_at, self._confirmed_since = now, None
        self._tried |= self._unanswered
        return self.successor

    # ------------------------------------------------------------------- end

    def next_step(self, now: float, wall_ns: int) -> HandoverStep:
        """Return what has to be done now."""
        if not self.successor:
            return HandoverStep.WAIT
        old, new = self._states.get(self.active), self._states.get(self.successor)
        if old is None:  # it ended by itself, so there is nothing to wait for
            return HandoverStep.COMPLETE
        late = now - self._started_at >= self._listen_s
        # Some tokens are never confirmed, on the predecessor neither, or not any more; do not
        # wait for those for ever.
        equal = late and new is not None and new.replaces(old)
        if new is None or not (new.fully_confirmed or (equal and new.state == LISTENING)):
            self._confirmed_since = None
            return HandoverStep.ABANDON if late else HandoverStep.WAIT
        if self._confirmed_since is None:
            self._confirmed_since = (now, wall_ns)
        since, since_ns = self._confirmed_since
        # The time limit is for a predecessor that receives nothing any more and so proves nothing.
        proven = old.proven_until_ns >= since_ns or now - since >= self._overlap_s
        return HandoverStep.COMPLETE if proven else HandoverStep.WAIT

    def trial_step(self, now: float, *, exchange_silent: bool) -> HandoverStep:
        """Return what has to be done now with a trial: it ends with the silence or its slot.

        Its successor only shows whether a new connection receives events. If it does, the active
        one is shown to be frozen and ends by itself.
        """
        if self.active not in self._states:
            return HandoverStep.COMPLETE
        late = now - self._started_at >= TRIAL_S
        return HandoverStep.WAIT if exchange_silent and not late else HandoverStep.ABANDON

    def complete(self, *, due_at: float) -> str:
        """Make the successor active and return its predecessor, which has to retire."""
        predecessor, self.active, self.successor = self.active, self.successor, ""
        self._states.pop(predecessor, None)
        self._due_at = due_at
        self._unanswered, self._misses_trades = frozenset(), False
        return predecessor

    def abandon(self, now: float) -> str:
        """Abandon the handover for `RETRY_S` and return the successor, which has to retire."""
        successor, self.successor = self.successor, ""
        self._states.pop(successor, None)
        if self.reason != TRIAL:  # which says nothing about a successor
            self._not_before = now + RETRY_S
        return successor
