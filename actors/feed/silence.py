"""Whether a connection that receives no data missed something.

A PONG, `NO NEW ASSETS` and `[]` prove that the server reads what we send, and no time. What
proves is the snapshot of an order book, by its own timestamp, the time of its last change:

- Not later than the last event that this connection delivered: the token was silent from that
  event until we asked. For a token that was subscribed after that event, its own first book counts
  instead.
- Up to a second later: that event, by another clock, or a lost one. It counts for neither.
- Later, and nothing comes within the allowed lateness: an event was lost.

A connection is one ordered stream, so the last event of any of its tokens counts for all. A
server that stamps snapshots with the time of the answer would show losses everywhere; so none
is believed before snapshots were seen that differ, or one that is much older than its answer.

`Silence` keeps the questions of one epoch and judges the answers. It sends nothing and knows no
clock: seconds are monotonic, milliseconds those of the exchange, and both are passed in.
"""

from collections.abc import Collection, Iterable, Mapping
from heapq import nsmallest
from typing import Final

import msgspec

from actors.model.trade import TokenId

LATENESS_MS: Final = 2_000
"""An event may arrive so much later than its time, and the last one that was seen is so old; more
where trades were later lately (`Silence.late_ms`)."""
OLD_MS: Final = 10_000
"""A snapshot that is so much older than its answer shows that its time is not the answer's."""
SPREAD_MS: Final = 200
"""So do snapshots that differ by so much, of each hundred that are asked for."""
SEVERAL: Final = 3
"""So many tokens that lost something, or all, are the connection's fault and not theirs."""


class Findings(msgspec.Struct, frozen=True):
    """What snapshots say.

    Attributes:
        proven: Tokens that were certainly silent until the question.
        lost: Tokens of which an event was lost.
    """

    proven: tuple[TokenId, ...] = ()
    lost: tuple[TokenId, ...] = ()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question for snapshots.

    Attributes:
        tokens: Those that were asked for.
        whole: They are all that the connection listens to.
        at: Monotonic seconds.
        exchange_ms: The exchange's time then, as far as known.
        until_ns: Silence that an answer proves is proven until then, wall-clock nanoseconds.
        heard_ms: The time of the last event that the connection had delivered; 0: none.
        books: When the book changed last, as its first snapshot said, of tokens that had that
            after the last event; exchange milliseconds.
    """

    tokens: frozenset[TokenId]
    whole: bool
    at: float
    exchange_ms: int
    until_ns: int
    heard_ms: int
    books: Mapping[TokenId, int] = msgspec.field(default_factory=dict)

    def known_ms(self, token: TokenId) -> int:
        """Return up to when the connection knows what happened to a token."""
        return max(self.heard_ms, self.books.get(token, 0))


class Silence:
    """The silence of one connection: when to ask, and what the answers say.

    Args:
        silence_s: How long data may stay away.
        answer_s: So long before the end of that it asks first; half of it at most.
        longest_s: Questions that prove nothing become rarer, up to this interval.

    Attributes:
        question: The last question, while answers to it may come or wait to be judged.
        frozen: It was shown that this connection does not receive what it should.
        late_ms: So much later than its time an event may arrive, by what was measured.
        proven_at: The last question whose answer proves that nothing happened, monotonic
            seconds; 0.0: there is none, or a loss was shown since.
    """

    def __init__(
        self, *, silence_s: float = 60.0, answer_s: float = 10.0, longest_s: float = 300.0
    ) -> None:
        self._silence_s = silence_s
        self._answer_s = min(answer_s, silence_s / 2)
        self._longest_s = max(longest_s, silence_s)
        self._asked_at = float("-inf")
        self._data_at = float("-inf")
        self._wait_s = 0.0
        self._changes: dict[TokenId, int] = {}
        self._lost: set[TokenId] = set()
        self._varied = self._exchange_silent = self._proven = self._uncertain = False
        self._shown = 0  # tokens that the last question proves
        self.question: Question | None = None
        self.late_ms = LATENESS_MS
        self.proven_at = 0.0
        self.frozen = self._heard_elsewhere = False

    @property
    def first_s(self) -> float:
        """Return how long a silence lasts when the first question is due."""
        return self._silence_s - self._answer_s

    def due_at(self, silent_since: float) -> float:
        """Return when the next question is due, if no data comes until then."""
        if self._asked_at < silent_since:
            return silent_since + self.first_s
        return self._asked_at + self._wait_s

    def asked(self, question: Question, silent_since: float) -> None:
        """Record that a question is sent."""
        if self._asked_at < silent_since:
            self._wait_s = self._answer_s
        elif self._proven or self._wait_s < self._silence_s:
            self._wait_s = self._silence_s
        else:  # what proves nothing is asked ever less often
            self._wait_s = min(2 * self._wait_s, self._longest_s)
        self._asked_at = question.at
        self.question, self._changes, self._proven, self._shown = question, {}, False, 0
        self._uncertain = False

    def answered(self, changes: Mapping[TokenId, int]) -> None:
        """Take snapshots: the time of the last change of each token, exchange milliseconds."""
        question = self.question
        if question is not None:
            self._changes.update((k, at) for k, at in changes.items() if k in question.tokens)
            self._varied = self._varied or self._varies(question)

    def _varies(self, question: Question) -> bool:
        """Return whether these are times of changes, and not all the time of the answer."""
        times = self._changes.values()
        if not times:
            return False
        # By the time of the question: no answer is older.
        old = min(times) <= question.exchange_ms - OLD_MS
        return old or max(times) - min(times) >= SPREAD_MS * (1 + len(question.tokens) // 100)

    def judge(self, exchange_ms: int, heard_ms: int, confirmed: int) -> Findings:
        """Return what the answers say so far; each token once.

        To be called on every Tick: a change that is younger than the allowed lateness may
        still arrive.

        Args:
            exchange_ms: The exchange's time now, as far as known.
            heard_ms: The time of the last event that the connection delivered.
            confirmed: How many tokens the connection listens to.
        """
        question = self.question
        # Before anything was delivered, there is nothing to compare with.
        if question is None or not self._changes or not question.heard_ms:
            return Findings()
        before_ms, known_ms = question.heard_ms, question.known_ms
        proven = [k for k, at in self._changes.items() if at <= known_ms(k) + LATENESS_MS // 2]
        certain = [k for k in proven if self._changes[k] <= known_ms(k)]
        self._uncertain = self._uncertain or len(certain) < len(proven)
        due_ms = exchange_ms - self.late_ms
        late = [k for k, at in self._changes.items() if known_ms(k) + self.late_ms < at < due_ms]
        for token in (*proven, *late):
            del self._changes[token]
        # When events come again, a later change may be one of them.
        lost = late if heard_ms == before_ms and self._varied else []
        self._lost.update(lost)
        self.frozen = self.frozen or self._shows_freeze(confirmed)
        self._proven = question.whole and bool(proven) and not (self._lost or self._changes)
        self._shown += len(proven)
        # Some may have no answer: a market that is closed has no book any more.
        if self._proven and 2 * self._shown > len(question.tokens):
            self.proven_at = question.at
        elif self._lost:
            self.proven_at = 0.0
        if heard_ms != before_ms or not self._changes:
            self.question = None
        return Findings(tuple(certain), tuple(lost))

    def heard_elsewhere(self) -> None:
        """Record that another connection received an event that this one should have."""
        self._heard_elsewhere = True
        self.proven_at = 0.0

    def ends(self, *, exchange_silent: bool) -> bool:
        """Return whether the connection is to be replaced.

        While all connections are silent that helps only when another one receives events.
        """
        return self._heard_elsewhere or (self.frozen and not exchange_silent)

    def exchange_is_silent(self) -> None:
        """Record that all connections are silent together."""
        self._exchange_silent = True

    def resumed(self, last_data_at: float) -> bool:
        """Return True, once, when data came again and the silence before it is in doubt.

        It is in doubt when a loss was shown, and when the whole exchange was silent and no
        snapshot has certainly proven that nothing happened.
        """
        if last_data_at <= self._data_at:
            return False
        self._data_at = last_data_at
        certain = self._proven and not self._uncertain
        doubt = self.frozen or self._heard_elsewhere or (self._exchange_silent and not certain)
        self.frozen = self._heard_elsewhere = self._exchange_silent = self._proven = False
        self._lost.clear()
        return doubt

    def _shows_freeze(self, confirmed: int) -> bool:
        # One or two of many tokens may fail alone, which is no fault of the connection.
        return 0 < min(SEVERAL, confirmed) <= len(self._lost)


class SilentTokens:
    """Until when tokens were silent beyond the proof, as snapshots show it."""

    def __init__(self) -> None:
        self._until: dict[TokenId, int] = {}

    def prove(self, tokens: Iterable[TokenId], until_ns: int) -> None:
        """Record that nothing happened to these until then, wall-clock nanoseconds."""
        for token in tokens:
            self._until[token] = max(until_ns, self._until.get(token, 0))

    def least_proven(self, tokens: Iterable[TokenId], most: int) -> tuple[TokenId, ...]:
        """Return a few of these, those first of which the least is proven."""
        return tuple(nsmallest(most, tokens, key=lambda token: self._until.get(token, 0)))

    def take(self, tokens: Collection[TokenId], proven_ns: int) -> dict[int, tuple[TokenId, ...]]:
        """Return, once, those of the tokens that are proven beyond this, by the end of that."""
        found: dict[int, list[TokenId]] = {}
        for token in tokens:
            until_ns = self._until.pop(token, 0)
            if until_ns > proven_ns:
                found.setdefault(until_ns, []).append(token)
        return {until_ns: tuple(silent) for until_ns, silent in found.items()}
