"""The connection actor: one WebSocket, its subscription, its liveness.

Owns: one line to the feed, the twin counter and the coverage book of one epoch.
Hears: Connect, Subscribe, Unsubscribe, Retire, RecheckCoverage, Tick; FramesReceived and
SocketClosed from the reactor. Tells: TradesSeen, FactSeen or Journalled to the writer
after the journal has it; NewMarketSeen to the catalogue, ResolutionHint to
resolution; reports to the supervisor. Dies when: the feed ends, falls silent or
breaks the protocol, with a named reason. Restarted: by the supervisor after a
backoff; reconnecting is restarting.
"""

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from actors.actor import Address, Addresses, BaseActor, Incarnation
from actors.errors import FeedLost, JournalFull
from actors.feed.coverage import CoverageBook, PendingRelease, PendingReleases
from actors.feed.epoch import Epoch
from actors.feed.ingest import Ingest, portions
from actors.feed.liveness import MissedTokenCounter, close_reason
from actors.feed.ports import Dialler, FeedSocket
from actors.feed.report import ConnectionStats
from actors.feed.subscription import Keepalive, Subscription
from actors.journal.recorder import Recorder
from actors.messages import (
    Connect,
    ConnectionEnded,
    FramesReceived,
    NewMarketSeen,
    RecheckCoverage,
    ResolutionHint,
    Retire,
    SocketClosed,
    Subscribe,
    Tick,
    Unsubscribe,
)
from actors.model.connection import DISK_FULL, LISTENING, ConnectionSpec, gap_cause

log = logging.getLogger(__name__)


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers a connection lives by, in seconds.

    Attributes:
        release_s: How long a token that is let go may wait for the proof that
            it was heard to the end.
    """

    silence_s: float = 60.0
    mark_s: float = 5.0
    release_s: float = 10.0


class ConnectionActor(BaseActor):
    """One life of one connection."""

    first = Connect()

    def __init__(
        self,
        incarnation: Incarnation,
        spec: ConnectionSpec,
        *,
        to: Addresses,
        dialler: Dialler,
        recorder: Recorder,
        settings: ConnectionSettings,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._spec = spec
        self._settings = settings
        self._dialler = dialler
        self._recorder = recorder
        self._to = to
        self._line: FeedSocket | None = None
        self._ended = False
        self._time = incarnation.at
        self._stats = ConnectionStats(incarnation, spec.name)
        self._doubts = MissedTokenCounter()
        self._home = Address()
        self._home.move_to(self.actor_ref)
        self._leaving = PendingReleases(settings.release_s)
        self._retiring = ""
        self._open_books(0)
        self.handlers = {
            Connect: self._connect,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            Retire: self._retire,
            RecheckCoverage: self._doubt,
            Tick: self._tick,
            FramesReceived: self._frames_received,
            SocketClosed: self._wire_ended,
        }

    def on_receive(self, message: Any) -> Any:
        """See `BaseActor`; a full disk ends this connection, it never drops in silence."""
        try:
            return super().on_receive(message)
        except JournalFull as full:
            self._end(DISK_FULL, str(full), hard=True)
            return None

    def on_stop(self) -> None:
        """After a crash too: leave no socket behind, and let go of what was heard.

        In the actor's thread. An actor and its reference hold each other until the garbage
        collector looks at all there is, which it does seldom; so what is large goes now.
        """
        if self._line is not None and not self._ended:
            self._line.abort("crashed")
        self._open_books(0)

    def _open_books(self, epoch: int) -> None:
        """Have heard nothing yet."""
        spec, settings = self._spec, self._settings
        self._ingest = Ingest(spec, epoch)
        self._epoch = Epoch(self._recorder, self._listening, mark_s=settings.mark_s)
        self._subscription = Subscription(spec, self._listening)
        self._keepalive = Keepalive(
            spec, self._subscription, self._epoch, silence_s=settings.silence_s
        )

    @property
    def _listening(self) -> CoverageBook:
        return self._ingest.listening

    # ------------------------------------------------------------- commands

    def _connect(self, _: Connect) -> None:
        """Open the line, the epoch and the subscription. Blocks for up to 10 s."""
        try:
            line = self._dialler.dial(
                self._subscription.markers(),
                lambda at_ns, frames: self._home.tell(
                    FramesReceived(received_at_ns=at_ns, frames=frames)
                ),
                lambda reason, detail: self._home.tell(SocketClosed(reason=reason, detail=detail)),
            )
        except FeedLost as lost:
            self._end(lost.reason, lost.detail, retry_after_s=lost.retry_after_s)
            return
        self._line = line
        self._open_books(Epoch.begin(self._recorder, self._spec, self._time.wall_ns))
        self._report("subscribing")  # whatever happens next, the epoch is known
        self._subscription.begin(line, self._time.now)
        self._keepalive.begin(self._time.now)
        self._report("subscribing")

    def _subscribe(self, message: Subscribe) -> None:
        """Listen to more tokens on the same line."""
        if self._line is None or self._ended:
            return
        self._ingest.own(message.tokens)
        self._subscription.add(message.tokens, self._time.now)

    def _unsubscribe(self, message: Unsubscribe) -> None:
        """Let tokens go once they are proven to have been heard until now."""
        self._leaving.add(
            PendingRelease(message.tokens, message.cause, message.since_ns, self._time.now)
        )

    def _retire(self, message: Retire) -> None:
        """End in good order: last mark, close record, CLOSE frame."""
        self._retiring = message.reason
        if message.at_once or not self._leaving or self._line is None:
            self._hear_sample()
            self._epoch.mark()
            self._end(message.reason, "asked to")

    def _doubt(self, message: RecheckCoverage) -> None:
        """Take back the coverage of tokens whose trades did not come; ask for them anew."""
        if self._line is None or self._ended:
            return
        missed = {trade.token_id for trade in message.trades if self._ingest.missed(trade)}
        deaf = tuple(sorted(missed))
        if not deaf:
            return
        log.warning("tokens_deaf", extra={"connection": self._spec.name, "tokens": deaf})
        self._epoch.doubt(deaf)
        self._doubts.add(deaf, self._time.now)
        self._subscription.again(deaf, self._time.now)

    # ----------------------------------------------------------- the feed

    def _frames_received(self, message: FramesReceived) -> None:
        """Understand, journal, tell; only what is in the journal counts as heard."""
        if self._line is not None and not self._ended:
            self._keepalive.take_up(self._time, self._line, self._listening)
        for frames in portions(message.frames):
            if self._ended:
                return
            self._take(frames, message.received_at_ns)
        if self._line is not None:
            self._line.handled(sum(map(len, message.frames)))

    def _take(self, frames: Sequence[bytes], at_ns: int) -> None:
        """Do so for some of them: one record and one message for all."""
        taken = self._ingest.take(frames, at_ns)
        self._stats.met(taken)
        if taken.record is not None:
            said = taken.decoded
            self._recorder.frames(taken.record, taken.trades, taken.hashes, said.rejections)
        self._stats.recorded(taken)
        self._listening.heard(at_ns, taken.decoded.exchange_ms)
        for condition_id in taken.decoded.announced:
            self._to.catalog.tell(NewMarketSeen(condition_id=condition_id))
        for condition_id in taken.decoded.resolved:
            self._to.resolution.tell(ResolutionHint(condition_id=condition_id))
        if taken.confirmed:
            self._epoch.confirm(taken.confirmed, at_ns)
            self._subscription.watch()
        self._epoch.heard()

    def _wire_ended(self, message: SocketClosed) -> None:
        """The reactor lost the socket."""
        self._hear_sample()
        said = close_reason(message.reason, message.detail)
        if said.complaint:
            extra = {"connection": self._spec.name, "text": message.detail}
            log.warning("feed_complained", extra=extra)
        self._end(said.reason, message.detail, retry_after_s=said.retry_after_s)

    def _hear_sample(self) -> None:
        """Hear what was skipped since the last Tick: nobody will tell the time again."""
        line = self._line
        sample = None if line is None or self._ended else line.take_sample()
        if line is not None and sample is not None:
            self._keepalive.take_up(self._time, line, self._listening)
            at_ns, frame = sample
            self._take((frame,), at_ns)

    # --------------------------------------------------------------- time

    def _tick(self, tick: Tick) -> None:
        """Judge the line, keep it alive, prove what was heard, report."""
        self._time = tick
        line = self._line
        if line is None or self._ended:
            return
        self._stats.say(tick.now)
        sample = line.take_sample()  # before it is asked whether data comes again
        reason = self._keepalive.turn(tick, line, self._listening)
        if reason is not None:
            self._end(reason, "", hard=True)
            return
        self._epoch.turn(tick.now)
        if sample is not None:
            at_ns, frame = sample
            self._take((frame,), at_ns)
        self._let_go()
        if self._retiring and not self._leaving:
            self._end(self._retiring, "asked to")
            return
        self._report(LISTENING if self._subscription.hears else "subscribing")

    def _let_go(self) -> None:
        """Unsubscribe what is proven to its end, or has waited long enough."""
        proven_ns = self._listening.proven_until_ns
        for leaving in self._leaving.due(self._time.now, proven_ns):
            self._subscription.drop(leaving.tokens)
            self._epoch.release(leaving.tokens, leaving.cause)

    def _report(self, state: str) -> None:
        now, line, wakes_at = self._time.now, self._line, 0.0
        if line is not None and not self._leaving and not self._retiring:
            wakes_at = min(self._keepalive.wakes_at(line), self._epoch.wakes_at)
        more = {
            "unheard": self._subscription.unheard,
            "deaf": self._doubts.beyond_cure(now, self._listening.waiting),
            "wakes_at": wakes_at,
        }
        self._to.supervisor.tell(self._stats.report(state, now, self._listening, line, **more))

    # ---------------------------------------------------------------- end

    def _end(
        self, reason: str, detail: str, *, retry_after_s: float | None = None, hard: bool = False
    ) -> None:
        """Close the epoch in the journal, say why, and stop."""
        if self._ended:
            return
        self._ended = True
        if self._line is not None:
            self._line.abort(reason) if hard else self._line.close(1000, "")
        with contextlib.suppress(JournalFull):  # then coverage ends at the last mark
            cause = gap_cause(reason, exchange_silent=self._time.exchange_silent)
            self._epoch.close(max(self._time.wall_ns, self._listening.proven_until_ns), cause)
        self._stats.say(self._time.now, at_once=True)
        self._report("ended")
        self._to.supervisor.tell(
            ConnectionEnded(
                child=self.child,
                incarnation=self.incarnation,
                epoch=self._listening.epoch,
                reason=reason,
                detail=detail,
                retry_after_s=retry_after_s,
            )
        )
        self.stop()
