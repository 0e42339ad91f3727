"""The connection actor: one WebSocket, its subscription, its liveness.

Owns: one line to the feed, the twin counter and the coverage book of one epoch.
Hears: Connect, Subscribe, Unsubscribe, Retire, Tick; FramesReceived and WireEnded
from the reactor. Tells: TradesSeen, FactSeen or Journalled to the writer after the
journal has it; NewMarketSeen to the catalogue, ResolutionHint to resolution;
reports to the supervisor. Dies when: the feed ends, falls silent or breaks the
protocol, with a named reason. Restarted: by the supervisor after a backoff;
reconnecting is restarting.
"""

import logging

import msgspec

from actors.errors import FeedLost, JournalFull
from actors.logic import feed, record
from actors.logic.coverage import Listening
from actors.logic.departures import Departure, Departures
from actors.logic.digest import Digest
from actors.logic.intake import Intake, Taken
from actors.logic.lane import LaneSpec
from actors.logic.liveness import Liveness, gap_cause
from actors.logic.trade import TokenId
from actors.messages import (
    Connect,
    ConnectionEnded,
    ConnectionReport,
    FramesReceived,
    NewMarketSeen,
    ResolutionHint,
    Retire,
    Subscribe,
    Tick,
    TradesSeen,
    Unsubscribe,
    WireEnded,
)
from actors.ports import Dialler, Line
from actors.recorder import Recorder
from actors.shell import Address, Birth, Mailbox, Shell

log = logging.getLogger(__name__)

TRADE_MARKERS = (b"last_trade_price",)
LIFECYCLE_MARKERS = (*TRADE_MARKERS, b"new_market", b"market_resolved")
BOOK_MARKER = b'"bids"'

LINE_S = 60.0
"""Least time between two lines of one connection about the same, in seconds."""


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers a connection lives by, in seconds.

    Attributes:
        release_s: How long a token that is let go may wait for the proof that
            it was heard to the end.
    """

    silence_s: float = 60.0
    mark_s: float = 5.0
    release_s: float = 10.0


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a connection tells what."""

    supervisor: Mailbox
    writer: Mailbox
    catalog: Mailbox
    resolution: Mailbox


class ConnectionActor(Shell):
    """One life of one connection."""

    first = Connect()

    def __init__(
        self,
        birth: Birth,
        lane: LaneSpec,
        *,
        neighbours: Neighbours,
        dialler: Dialler,
        recorder: Recorder,
        settings: ConnectionSettings,
    ) -> None:
        super().__init__(birth.child, birth.incarnation, neighbours.supervisor)
        self._lane = lane
        self._settings = settings
        self._dialler = dialler
        self._recorder = recorder
        self._to = neighbours
        self._line: Line | None = None
        self._ended = False
        self._now, self._wall_ns = birth.at.now, birth.at.wall_ns
        self._marked_at = 0.0
        self._prints_total = self._refused_total = self._unknown_total = 0
        self._rejected, self._unknown = Digest(every_s=LINE_S), Digest(every_s=LINE_S)
        self._home = Address()
        self._home.move_to(self.actor_ref)
        self._leaving = Departures(settings.release_s)
        self._retiring = ""
        self._intake = Intake(lane, 0)
        self._liveness = Liveness(silence_s=settings.silence_s * (10 if lane.lifecycle else 1))
        self.handlers = {
            Connect: self._connect,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            Retire: self._retire,
            Tick: self._tick,
            FramesReceived: self._frames_received,
            WireEnded: self._wire_ended,
        }

    @property
    def _listening(self) -> Listening:
        return self._intake.listening

    def on_stop(self) -> None:
        """After a crash too: leave no socket behind. In the actor's thread."""
        if self._line is not None and not self._ended:
            self._line.abort("crashed")

    # ------------------------------------------------------------- commands

    def _connect(self, _: Connect) -> None:
        """Open the line, the epoch and the subscription. Blocks for up to 10 s."""
        try:
            line = self._dialler.dial(
                self._wanted_markers(),
                lambda at_ns, frames: self._home.tell(
                    FramesReceived(received_at_ns=at_ns, frames=frames)
                ),
                lambda reason, detail: self._home.tell(WireEnded(reason=reason, detail=detail)),
            )
        except FeedLost as lost:
            self._end(lost.reason, lost.detail, retry_after_s=lost.retry_after_s)
            return
        self._line = line
        opened = record.ListeningOpened(
            at_ns=self._wall_ns, connection=self._lane.lane, leg=self._lane.leg
        )
        epoch = self._note(opened)
        if epoch is None:
            return
        self._intake = Intake(self._lane, epoch)
        self._report("subscribing")  # whatever happens next, the epoch is known
        self._subscribe_first(line)
        self._report("subscribing")

    def _subscribe_first(self, line: Line) -> None:
        """Send the initial form once, the rest as operations, in bounded messages."""
        tokens = (*self._lane.tokens, *self._lane.pulse)
        head, *rest = list(feed.chunks(tokens)) or [()]
        line.send_text(feed.first_subscription(head, custom=self._lane.lifecycle))
        for chunk in rest:
            line.send_text(feed.subscription(chunk, custom=self._lane.lifecycle))
        self._listening.requested(self._lane.tokens, self._now)
        self._liveness.subscribed(self._now)
        line.set_markers(self._wanted_markers())

    def _subscribe(self, message: Subscribe) -> None:
        """Listen to more tokens on the same line."""
        if self._line is None or self._ended:
            return
        for chunk in feed.chunks(message.tokens):
            self._line.send_text(feed.subscription(chunk, custom=self._lane.lifecycle))
        self._listening.requested(message.tokens, self._now)
        self._line.set_markers(self._wanted_markers())

    def _unsubscribe(self, message: Unsubscribe) -> None:
        """Let tokens go once they are proven to have been heard until now."""
        self._leaving.add(Departure(message.tokens, message.cause, message.since_ns, self._now))

    def _retire(self, message: Retire) -> None:
        """End in good order: last mark, close record, CLOSE frame."""
        self._retiring = message.reason
        if message.at_once or not self._leaving or self._line is None:
            self._mark()
            self._end(message.reason, "asked to")

    # ----------------------------------------------------------- the feed

    def _frames_received(self, message: FramesReceived) -> None:
        """Understand, journal, tell; only what is in the journal counts as heard."""
        confirmed: list[TokenId] = []
        for raw in message.frames:
            if self._ended:
                return
            taken = self._intake.take(raw, message.received_at_ns)
            self._unknown_total += len(taken.decoded.unknown)
            self._unknown.count(taken.decoded.unknown)
            if taken.record is not None and not self._record_frame(taken, taken.record):
                return
            self._listening.heard(message.received_at_ns, taken.decoded.exchange_ms)
            confirmed += taken.confirmed
            self._tell_lifecycle(taken.decoded)
        if confirmed:
            self._confirm(tuple(confirmed), message.received_at_ns)

    def _record_frame(self, taken: Taken, kept: record.FrameSeen) -> bool:
        """Append a frame, then tell the writer; give False when the disk is full."""
        trades = TradesSeen(
            seq=0,
            connection=self._lane.lane,
            prints=taken.prints,
            refusals=taken.decoded.refusals,
        )
        try:
            self._recorder.frame(kept, trades, weight=taken.weight)
        except JournalFull as full:
            self._end("disk_full", str(full), hard=True)
            return False
        self._prints_total += len(taken.prints)
        self._refused_total += len(taken.decoded.refusals)
        self._rejected.count(refusal.reason for refusal in taken.decoded.refusals)
        return True

    def _tell_lifecycle(self, decoded: feed.Decoded) -> None:
        """Pass on what the feed says about markets; log control text."""
        for condition_id in decoded.announced:
            self._to.catalog.tell(NewMarketSeen(condition_id=condition_id))
        for condition_id in decoded.resolved:
            self._to.resolution.tell(ResolutionHint(condition_id=condition_id))
        for text in decoded.controls:
            if text != "PONG":
                log.warning("feed_control", extra={"connection": self._lane.lane, "text": text})

    def _confirm(self, tokens: tuple[TokenId, ...], at_ns: int) -> None:
        """Coverage of these tokens begins."""
        self._note(record.TokensConfirmed(epoch=self._listening.epoch, at_ns=at_ns, tokens=tokens))
        if self._line is not None:
            self._line.set_markers(self._wanted_markers())

    def _wire_ended(self, message: WireEnded) -> None:
        """The reactor lost the socket."""
        self._end(message.reason, message.detail)

    # --------------------------------------------------------------- time

    def _tick(self, tick: Tick) -> None:
        """Judge the line, keep it alive, prove what was heard, report."""
        self._now, self._wall_ns = tick.now, tick.wall_ns
        line = self._line
        if line is None or self._ended:
            return
        self._say_odd()
        reason = self._liveness.verdict(tick.now, line, self._listening)
        if reason is not None:
            self._end(reason, "", hard=True)
            return
        if self._liveness.ping_due(tick.now):
            line.send_text(feed.PING)
        line.request_sample()
        if tick.now - self._marked_at >= self._settings.mark_s:
            self._marked_at = tick.now
            self._mark()
        self._let_go(line)
        if self._retiring and not self._leaving:
            self._end(self._retiring, "asked to")
            return
        self._report("listening" if self._hears else "subscribing")

    @property
    def _hears(self) -> bool:
        return bool(self._listening.confirmed_count) or not self._lane.tokens

    def _mark(self) -> None:
        """Write down until when everything was heard."""
        until_ns = self._listening.mark()
        if until_ns is not None:
            self._note(record.ListeningProven(marks=((self._listening.epoch, until_ns),)))

    def _let_go(self, line: Line) -> None:
        """Unsubscribe what is proven to its end, or has waited long enough."""
        proven_ns = self._listening.proven_until_ns
        for leaving in self._leaving.due(self._now, proven_ns):
            for chunk in feed.chunks(leaving.tokens):
                line.send_text(feed.unsubscription(chunk))
            released = self._listening.release(leaving.tokens)
            if released:
                self._note(
                    record.TokensReleased(
                        epoch=self._listening.epoch,
                        until_ns=proven_ns,
                        tokens=released,
                        cause=leaving.cause,
                    )
                )

    def _report(self, state: str) -> None:
        line = self._line
        self._to.supervisor.tell(
            ConnectionReport(
                child=self.child,
                incarnation=self.incarnation,
                now=self._now,
                state=state,
                epoch=self._listening.epoch,
                tokens=self._listening.requested_count,
                confirmed=self._listening.confirmed_count,
                prints_total=self._prints_total,
                refused_total=self._refused_total,
                unknown_total=self._unknown_total,
                frames_total=line.frames_total if line else 0,
                bytes_total=line.bytes_total if line else 0,
                last_data_at=line.last_data_at if line else 0.0,
                proven_until_ns=self._listening.proven_until_ns,
            )
        )

    def _say_odd(self, *, at_once: bool = False) -> None:
        """Log what could not be used or understood since the last line, now and then."""
        who = {"connection": self._lane.lane}
        reasons = self._rejected.take(self._now, at_once=at_once)
        if reasons:
            said = {**who, "rejected": sum(reasons.values()), "reasons": reasons}
            log.warning("messages_rejected", extra=said)
        kinds = self._unknown.take(self._now, at_once=at_once)
        if kinds:
            said = {**who, "events": sum(kinds.values()), "kinds": kinds}
            log.warning("unknown_event_type", extra=said)

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
        if self._listening.epoch:
            closed = record.ListeningClosed(
                epoch=self._listening.epoch,
                at_ns=self._wall_ns,
                until_ns=self._listening.proven_until_ns or None,
                reason=gap_cause(reason),
            )
            self._note(closed)
        self._say_odd(at_once=True)
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

    # ------------------------------------------------------------ journal

    def _note(self, fact: record.Fact) -> int | None:
        """Record a fact; a full disk ends this connection, it never drops in silence."""
        try:
            return self._recorder.fact(fact)
        except JournalFull as full:
            self._end("disk_full", str(full), hard=True)
            return None

    def _wanted_markers(self) -> tuple[bytes, ...]:
        """Books matter until every token is confirmed."""
        markers = LIFECYCLE_MARKERS if self._lane.lifecycle else TRADE_MARKERS
        confirmed = self._listening.confirmed_count >= self._listening.requested_count > 0
        return markers if confirmed or self._lane.lifecycle else (*markers, BOOK_MARKER)
