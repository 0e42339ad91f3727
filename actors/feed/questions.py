"""Asks for snapshots of order books while a connection receives no data.

Beside the socket first (`POST /books`), since that answers for all tokens and always; on the
socket, by a repeated subscription, where there is no such answer. `silence.py` judges.
"""

from collections.abc import Iterable

from actors.feed.ingest import Ingest
from actors.feed.liveness import Liveness
from actors.feed.ports import Dialler, FeedSocket
from actors.feed.silence import LATENESS_MS, Findings, Question, Silence, SilentTokens
from actors.feed.subscription import Subscription
from actors.messages import HeardElsewhere, Tick
from actors.model.assumptions import Assumption, ViolationCounter
from actors.model.trade import TokenId

PROBES = 3
"""How many tokens are asked for on the socket, until such a question was answered."""
PROBES_ANSWERED = 100
"""How many afterwards."""
ANSWER_S = 10.0
"""How long an answer on the socket may take."""
QUIET_S = 3.0
"""Without data for so long, the proof of a connection that is to end is behind."""
_MS = 1_000_000


class Questions:
    """The questions of one epoch of a connection. In the thread of its actor.

    Args:
        dialler: Asks beside the socket.
        parts: Of the same epoch: what was delivered, what asks on the socket, since when there
            is no data, and what keeps the proven silence.
        violations: Counts what answers show to be false.
        silence_s: How long data may stay away.

    Attributes:
        event_at: When the last data had arrived as an event was handled, monotonic seconds.
        event_ms: The exchange time of that event; 0: there was none.
    """

    def __init__(
        self,
        dialler: Dialler,
        parts: tuple[Ingest, Subscription, Liveness, SilentTokens],
        violations: ViolationCounter,
        silence_s: float,
    ) -> None:
        self._dialler = dialler
        self._ingest, self._subscription, self._liveness, self._silent = parts
        self._coverage = self._ingest.coverage
        self._violations = violations
        self._socket: FeedSocket | None = None
        self.event_at = 0.0
        self.event_ms = 0
        self._data_at = 0.0
        self._on_socket = self._answers = False
        self._last_due, self._last_until = False, 0.0
        self.silence = Silence(silence_s=silence_s)

    def answered(self, changes: Iterable[tuple[TokenId, int]], last_data_at: float) -> None:
        """Take books that arrived on the socket; they may be answers."""
        question = self.silence.question
        if question is not None and self._on_socket:
            found = {token: at_ms for token, at_ms in changes if token in question.tokens}
            if found:
                self._answers = True
                self._data_at = last_data_at
                self.silence.answered(found)

    def check(self, tick: Tick, socket: FeedSocket) -> Findings:
        """Ask when a question is due, and return what the answers say; on every Tick."""
        self._socket = socket
        silent_since = self._liveness.silent_since(socket)
        if silent_since is None:
            return Findings()
        self.silence.late_ms = max(LATENESS_MS, self._coverage.lateness.allowance_ms)
        # The supervisor learns later than this connection that data comes again.
        if tick.exchange_silent and tick.now - silent_since >= self.silence.first_s:
            self.silence.exchange_is_silent()
        if self._last_due or tick.now >= self.silence.due_at(silent_since):
            self._ask(tick, silent_since)
        question = self.silence.question
        if question is None:
            return Findings()
        # Data that is no answer may be the very change that a snapshot shows.
        quiet = socket.last_data_at <= self._data_at
        found = self.silence.judge(
            self._exchange_ms(tick),
            self._heard_ms() if quiet else -1,
            len(self._tokens()),
        )
        self._silent.prove(found.proven, question.until_ns)
        if self._on_socket and tick.now - question.at >= ANSWER_S and not self._data_at:
            # While nobody gets data, an answer cannot be expected.
            self._violations.add(Assumption.REPEATED_BOOK, int(not tick.exchange_silent))
            self.silence.question = None
        self._subscription.await_answers(awaited=self._on_socket and bool(self.silence.question))
        return found

    def ask_last(self, tick: Tick, socket: FeedSocket) -> None:
        """Ask once more, at the next `check`, if the connection, which is to end, is without data.

        Its successor listens, and only proves what is after its first books.
        """
        since = self._liveness.silent_since(socket)
        silent = since is not None and tick.now - since >= QUIET_S
        self._last_due, self._last_until = silent and bool(self._tokens()), tick.now + ANSWER_S

    def awaits_last(self, now: float) -> bool:
        """Return whether that question, or its answer, is still to come."""
        awaited = self._last_due or self.silence.question is not None
        return awaited and now < self._last_until

    def heard_elsewhere(self, message: HeardElsewhere, now: float) -> None:
        """Judge trades that other connections received.

        Data may have come since the supervisor looked; then they are no news.
        """
        since = None if self._socket is None else self._liveness.silent_since(self._socket)
        heard_ms = self._heard_ms()
        if since is None or not heard_ms or now - since < self.silence.first_s:
            return
        late_ms = self.silence.late_ms
        books = self._later_books()
        late = [
            token
            for token, at_ms in message.trades
            if at_ms > max(heard_ms, books.get(token, 0)) + late_ms
        ]
        if not {*self._coverage.confirmed, *self._ingest.canary_confirmed}.isdisjoint(late):
            self.silence.heard_elsewhere()

    def change_canary(self, token: TokenId, now: float) -> None:
        """Subscribe another canary, unless it is an own token by now."""
        if not self._coverage.is_requested(token):
            # Before the request is sent: its trades are left to the connection that records them.
            self._ingest.add_canary(token)
            for old in self._subscription.change_canary(token, now):
                self._ingest.drop_canary(old)

    def wakes_at(self, socket: FeedSocket) -> float:
        """Return when `check` is to be called next, monotonic seconds; 0.0: on every Tick."""
        silent_since = self._liveness.silent_since(socket)
        if silent_since is None or self.silence.question is not None:
            return 0.0
        return self.silence.due_at(silent_since) if self._tokens() else float("inf")

    def _ask(self, tick: Tick, silent_since: float) -> None:
        tokens = self._tokens()
        if not tokens:
            return
        changes = self._dialler.last_changes(tokens)
        if changes is None:  # others ask just now
            return
        self._last_due = False
        self._on_socket = not changes
        if self._on_socket:
            tokens = self._few(tokens)
            self._subscription.ask(tokens)
        exchange_ms = self._exchange_ms(tick)
        question = Question(
            tokens=frozenset(tokens),
            whole=len(tokens) >= len(self._tokens()),
            at=tick.now,
            exchange_ms=exchange_ms,
            until_ns=min(tick.wall_ns, exchange_ms * _MS),
            heard_ms=self._heard_ms(),
            books=self._later_books(),
        )
        self._data_at = 0.0 if self._on_socket else silent_since
        self.silence.asked(question, silent_since)
        self.silence.answered(changes)

    def _tokens(self) -> tuple[TokenId, ...]:
        # Confirmed ones only: a token without a book is no fault of the connection.
        return self._coverage.confirmed or tuple(self._ingest.canary_confirmed)

    def _few(self, tokens: tuple[TokenId, ...]) -> tuple[TokenId, ...]:
        most = PROBES_ANSWERED if self._answers else PROBES
        return self._silent.least_proven(tokens, most)

    def _exchange_ms(self, tick: Tick) -> int:
        # By the exchange's clock, since ours may be wrong or step.
        if not self.event_at:
            return tick.wall_ns // _MS
        return self.event_ms + int((tick.now - self.event_at) * 1000)

    def _later_books(self) -> dict[TokenId, int]:
        """Return the first books that tell more than the last event; forget the others."""
        books = self._ingest.first_books
        books = {token: at_ms for token, at_ms in books.items() if at_ms > self.event_ms}
        self._ingest.first_books = books
        return books

    def _heard_ms(self) -> int:
        return self.event_ms or self._ingest.dumped_ms
