"""The connection actor: one WebSocket, its subscription, its liveness.

Owns: one socket, the occurrence counter and the coverage book of one epoch.
Receives: Connect from itself; GetCoverage; Subscribe, Unsubscribe, ChangeCanary, Renew, RenewEpoch,
Retire, RecheckCoverage, HeardElsewhere and Tick from the supervisor; FramesReceived, SocketClosed.
Sends: TradesSeen, FactSeen or ReadJournal to the writer after the journal has the record;
NewMarketSeen to the catalog, ResolutionHint to resolution; AnnouncedConfirmed, ConnectionReport
and ConnectionEnded to the supervisor.
Ends when: the feed ends, breaks the protocol or is shown to lose events, with a named reason.
Restarted: by the supervisor after a backoff; reconnecting is restarting.
"""

import contextlib
import logging
from collections.abc import Sequence

from actors.actor import Address, Addresses, BaseActor, Incarnation
from actors.errors import FeedLost, JournalFull, RecordTooLarge
from actors.feed.epoch import Epoch, open_epoch
from actors.feed.ingest import Ingest, Ingested, portions
from actors.feed.liveness import (
    GIVE_UP_FACTOR,
    Liveness,
    MissedTokenCounter,
    close_reason,
    is_receiving,
    reason_of,
)
from actors.feed.ports import ConnectionSettings, Dialler, FeedSocket
from actors.feed.questions import Questions
from actors.feed.report import ConnectionStats, send_hints
from actors.feed.subscription import PendingRelease, PendingReleases, Subscription
from actors.journal.recorder import Recorder
from actors.messages import (
    AnnouncedConfirmed,
    ChangeCanary,
    Connect,
    ConnectionEnded,
    FramesReceived,
    GetCoverage,
    HeardElsewhere,
    RecheckCoverage,
    Renew,
    RenewEpoch,
    Retire,
    SocketClosed,
    Subscribe,
    Tick,
    Unsubscribe,
)
from actors.model.connection import ALL_RESOLVED, LISTENING, ConnectionSpec, gap_cause
from actors.model.trade import TokenId
from actors.polymarket import channel

log = logging.getLogger(__name__)


class ConnectionActor(BaseActor):
    """One run of one connection."""

    first = Connect()
    # A full disk is expected. Unhandled it would count as a crash and spend the restart budget.
    handled_errors = (JournalFull, RecordTooLarge)

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
        self._spec, self._settings = spec, settings
        self._dialler, self._recorder, self._to = dialler, recorder, to
        self._socket: FeedSocket | None = None
        self._ended = False
        self._time = incarnation.at
        self._stats = ConnectionStats(incarnation, spec.name)
        self._missed_tokens = MissedTokenCounter()
        # The reactor calls back from its own thread, perhaps after this actor has ended. Pykka's
        # ref would raise ActorDeadError there; an Address drops the message.
        self._own_address = Address()
        self._own_address.move_to(self.actor_ref)
        self._releases = PendingReleases(settings.release_s)
        self._retiring = ""
        self._reset(0)
        self.handlers = {
            Connect: self._connect,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            Retire: self._retire,
            RecheckCoverage: self._recheck_coverage,
            HeardElsewhere: lambda each: self._questions.heard_elsewhere(each, self._time.now),
            ChangeCanary: self._change_canary,
            Renew: lambda _: self._subscription.renew_waiting(self._time.now),
            RenewEpoch: lambda _: self._epoch.renew(self._spec, self._time.wall_ns),
            Tick: self._tick,
            GetCoverage: lambda _: self._coverage.covered(self.child),
            FramesReceived: self._frames_received,
            SocketClosed: self._socket_closed,
        }

    def on_handled_error(self, error: Exception) -> None:
        """End this connection when something cannot be kept: it never drops trades silently."""
        self._end(reason_of(error), str(error), hard=True)

    def on_stop(self) -> None:
        """Close the socket, after a crash too, and drop what was received.

        In the actor's thread. An actor and its reference hold each other until the garbage
        collector runs over everything, which it seldom does; so what is large goes now.
        """
        if self._socket is not None and not self._ended:
            self._socket.abort("crashed")
        self._reset(0)

    def _reset(self, epoch: int) -> None:
        """Start an epoch in which nothing was received yet."""
        spec, settings = self._spec, self._settings
        self._ingest = Ingest(spec, epoch, self._stats.lateness, settings.samples)
        self._coverage = self._ingest.coverage
        self._epoch = Epoch(self._recorder, self._coverage, proof_s=settings.proof_s)
        self._subscription = Subscription(spec, self._coverage)
        silence_s = settings.silence_s
        quiet = spec.lifecycle or not (spec.tokens or spec.canary)
        give_up_s = silence_s * GIVE_UP_FACTOR if quiet else None
        self._liveness = Liveness(silence_s=silence_s, give_up_s=give_up_s)
        parts = (self._ingest, self._subscription, self._liveness, self._epoch.silent)
        self._questions = Questions(self._dialler, parts, self._stats.violations, silence_s)

    # ------------------------------------------------------------- commands

    def _connect(self, _: Connect) -> None:
        """Open the socket, the epoch and the subscription. Blocks for up to 10 s."""
        try:
            socket = self._dialler.dial(
                self._subscription.markers(),
                lambda at_ns, frames: self._own_address.tell(
                    FramesReceived(received_at_ns=at_ns, frames=frames)
                ),
                lambda reason, detail: self._own_address.tell(
                    SocketClosed(reason=reason, detail=detail)
                ),
            )
        except FeedLost as lost:
            self._end(lost.reason, lost.detail, retry_after_s=lost.retry_after_s)
            return
        self._socket = socket
        # Only now: a connection without a completed handshake proves nothing, and the sequence of
        # this record becomes the number of the epoch.
        self._reset(open_epoch(self._recorder, self._spec, self._time.wall_ns))
        self._report("subscribing")  # whatever happens next, the epoch is known
        self._subscription.open(socket, self._time.now)
        self._liveness.subscribed(self._time.now)
        self._report("subscribing")

    def _subscribe(self, message: Subscribe) -> None:
        """Listen to more tokens on the same socket."""
        if self._socket is None or self._ended:
            return
        # One that was to be released is still subscribed, and stays so without a gap.
        self._releases.cancel(message.tokens)
        # Before the request is sent: a token that was the canary is
        # recorded by this connection now.
        self._ingest.record_tokens(message.tokens)
        if message.announced:
            self._subscription.add_announced(message.tokens, self._time.now)
            return
        self._subscription.add(message.tokens, self._time.now)
        if not self._spec.lifecycle:
            self._liveness.expect_data()

    def _unsubscribe(self, message: Unsubscribe) -> None:
        """Release tokens once they are proven to have been listened to until now."""
        # Not unsubscribed yet: the proof that completes its coverage needs data.
        due = PendingRelease(message.tokens, message.cause, message.since_ns, self._time.now)
        self._releases.add(due)

    def _retire(self, message: Retire) -> None:
        """End in good order: last proof, close record, CLOSE frame."""
        self._retiring = message.reason
        if self._socket is not None and not message.at_once:
            self._questions.ask_last(self._time, self._socket)
            if self._releases or self._questions.awaits_last(self._time.now):
                return  # `_tick` ends the connection, once all that is proven or too old
        self._take_last_sample()
        self._epoch.write_proof()
        self._end(message.reason, "asked to")

    def _recheck_coverage(self, message: RecheckCoverage) -> None:
        """Withdraw the coverage of tokens whose trades were missed; subscribe them again."""
        if self._socket is None or self._ended:
            return
        # The writer only knows that this slot did not report them. They may have come late, or the
        # writer may have dropped the message while it was behind.
        missed = {trade.token_id for trade in message.trades if self._ingest.missed(trade)}
        if missed:
            self._withdraw(tuple(sorted(missed)))

    def _withdraw(self, tokens: tuple[TokenId, ...]) -> None:
        """Withdraw the coverage of tokens whose events are missed; subscribe them again."""
        log.warning("tokens_missed", extra={"connection": self._spec.name, "tokens": tokens})
        # Withdraw first: a token that still counts as confirmed would not wait for a new `book`.
        self._epoch.withdraw(tokens)
        self._missed_tokens.add(tokens, self._time.now)
        self._subscription.renew(tokens, self._time.now)

    def _change_canary(self, message: ChangeCanary) -> None:
        """Subscribe another canary, unless it is an own token by now."""
        if self._socket is not None and not self._ended:
            self._questions.change_canary(message.token, self._time.now)

    # ------------------------------------------------------------- the feed

    def _frames_received(self, message: FramesReceived) -> None:
        """Decode, journal, send on; only what is in the journal counts as received."""
        socket = self._socket
        if socket is not None and not self._ended:
            self._notice_loss(socket)
        for frames in portions(message.frames):
            if self._ended:
                return
            self._take(frames, message.received_at_ns)
        if socket is not None:
            # Pykka's mailbox has no bound. The socket hands on only so many bytes that are not
            # handled, so this is what bounds the memory.
            socket.handled(sum(map(len, message.frames)))

    def _take(self, frames: Sequence[bytes], at_ns: int) -> None:
        """Decode, journal and send on frames that become one record."""
        ingested = self._ingest.take(frames, at_ns)
        decoded = ingested.decoded
        if decoded.unknown or decoded.controls or ingested.left_out:
            self._stats.add_unused(ingested)
        if ingested.record is not None:
            # Journal first, then the message to the writer: a mailbox loses what it holds when its
            # actor ends. When this raises, nothing below counts the frames as received.
            self._recorder.frames(
                ingested.record, ingested.trades, ingested.hashes, decoded.rejections
            )
            self._stats.add_recorded(ingested)
        elif decoded.trades:
            self._stats.add_heard(decoded.trades)
        if ingested.slipped:
            self._epoch.slip(ingested.slipped)
        if ingested.withdrawn:
            self._epoch.doubt(ingested.withdrawn)
        # After the journal has the trades: the proof says that all trades before it are kept.
        believed_ms = self._coverage.advance(at_ns, decoded.exchange_ms)
        if self._socket is not None and believed_ms:
            self._questions.event_at = self._socket.last_data_at
            self._questions.event_ms = believed_ms
        if decoded.announced or decoded.resolved:
            send_hints(self._to, decoded)
        if ingested.confirmed or decoded.changes or self._coverage.doubted:
            self._confirm(ingested)
        self._epoch.frame_handled()

    def _confirm(self, ingested: Ingested) -> None:
        """Write of which tokens coverage begins, or begins again."""
        recovered = self._ingest.doubts.take_recovered() if self._coverage.doubted else ()
        if recovered:
            self._epoch.confirm(recovered, self._coverage.proven_until_ns)
        if self._socket is not None:
            self._questions.answered(ingested.decoded.changes, self._socket.last_data_at)
        if not ingested.confirmed:
            return
        self._epoch.confirm(ingested.confirmed, ingested.since_ns)
        self._subscription.update_markers()
        answered = self._coverage.take_answered()
        if answered:
            self._liveness.expect_data()
            self._to.supervisor.tell(AnnouncedConfirmed(tokens=answered))

    def _notice_loss(self, socket: FeedSocket) -> None:
        """End the coverage of all tokens after a silence that is in doubt.

        To be called before the next frame is handled, which would prove the silence. The tokens
        are subscribed again at `Renew`: after a silence all connections want that.
        """
        if self._questions.silence.resumed(socket.last_data_at):
            tokens = self._coverage.confirmed
            cause = gap_cause("frozen", exchange_silent=self._time.exchange_silent)
            self._epoch.release(tokens, cause)
            self._subscription.renew_later(tokens)

    def _socket_closed(self, message: SocketClosed) -> None:
        """End this actor, since its socket is closed."""
        self._take_last_sample()
        closed = close_reason(message.reason, message.detail)
        if closed.reason != ALL_RESOLVED and not self._ended:
            self._stats.add_unserved(self._spec, self._socket)
        if closed.policy_violation:
            self._stats.add_complaint(self._spec, message.detail)
        retry_after_s = closed.retry_after_s
        if closed.reason == ALL_RESOLVED and (self._coverage.announced or self._spec.lifecycle):
            retry_after_s = None  # what comes next may be known, or announced, at any moment
        self._end(closed.reason, message.detail, retry_after_s=retry_after_s)

    def _take_last_sample(self) -> None:
        """Take a frame that was skipped since the last Tick: no further Tick will do it."""
        socket = self._socket
        sample = None if socket is None or self._ended else socket.take_sample()
        if socket is not None and sample is not None:
            self._notice_loss(socket)
            at_ns, frame = sample
            self._take((frame,), at_ns)

    # ----------------------------------------------------------------- time

    def _tick(self, tick: Tick) -> None:
        """Judge the connection, keep it alive, prove what was received, report."""
        self._time = tick
        socket = self._socket
        if socket is None or self._ended:
            return
        self._stats.lateness.tick(tick.now, tick.allowance_ms)
        self._stats.log_unused(tick.now)
        sample = socket.take_sample()  # before it is checked whether data comes again
        reason = self._keep_alive(tick, socket)
        if reason is not None:
            self._stats.add_unserved(self._spec, self._socket)
            # Hard: a silent peer would only delay the restart with its closing handshake.
            self._end(reason, "", hard=True)
            return
        # Before the sample is taken, which then moves and writes the proof that is due here.
        self._epoch.check(tick.now)
        if sample is not None:
            at_ns, frame = sample
            self._take((frame,), at_ns)
        # After the sample, which may complete the proof that a release waits for.
        self._release_due()
        waits = self._releases or self._questions.awaits_last(tick.now)
        if self._retiring and not waits:
            self._end(self._retiring, "asked to")
            return
        self._report(LISTENING if self._subscription.is_listening else "subscribing")

    def _keep_alive(self, tick: Tick, socket: FeedSocket) -> str | None:
        """Send PING, subscriptions and probes that are due; return the reason to end, or None."""
        self._notice_loss(socket)
        silent = tick.exchange_silent
        reason = self._liveness.reason_to_end(
            tick.now,
            socket,
            self._coverage,
            frozen=self._check_silence(tick, socket),
            exchange_silent=silent,
        )
        if reason is not None:
            return reason
        if self._liveness.ping_due(tick.now):
            socket.send_text(channel.PING)
        # While the whole exchange is silent no answer can be expected: nothing is sent again, and
        # no missing answer is held against this connection.
        # The books that are awaited may be in the frame that is arriving.
        if not silent and not is_receiving(socket):
            self._stats.add_overdue(self._subscription.resubscribe(tick.now), self._coverage)
        if not silent:
            self._subscription.ask_announced(tick.now)
        self._subscription.check_canary(self._ingest.canary_confirmed, tick.now)
        return None

    def _check_silence(self, tick: Tick, socket: FeedSocket) -> bool:
        """Ask for snapshots when data stays away; return whether this connection is frozen."""
        lost = self._questions.check(tick, socket).lost
        if lost and not (self._questions.silence.frozen or tick.exchange_silent):
            # One token alone failed: its events do not arrive here any more.
            self._withdraw(lost)
        return self._questions.silence.ends(exchange_silent=tick.exchange_silent)

    def _release_due(self) -> None:
        """Unsubscribe what is proven to its end, or has waited long enough."""
        for release in self._releases.due(self._time.now, self._coverage.proven_until_ns):
            self._subscription.drop(release.tokens)
            self._epoch.release(release.tokens, release.cause)

    def _wakes_at(self) -> float:
        """Return when the next Tick is needed, monotonic seconds; 0.0: as soon as possible."""
        socket = self._socket
        # A release waits for a proof, and a proof needs the samples that are taken on Ticks.
        waits = self._releases or self._retiring or not self._subscription.is_answered
        if socket is None or waits:
            return 0.0
        return min(
            self._liveness.wakes_at(socket),
            self._epoch.wakes_at,
            self._subscription.wakes_at,
            self._questions.wakes_at(socket),
        )

    def _report(self, state: str) -> None:
        now = self._time.now
        report = self._stats.report(
            state,
            now,
            self._coverage,
            self._socket,
            unanswered=self._subscription.unanswered,
            misses_trades=self._missed_tokens.too_many(now, self._coverage.waiting),
            awaits_renewal=self._subscription.awaits_renewal,
            wakes_at=self._wakes_at(),
            silence_proven_at=self._questions.silence.proven_at,
        )
        self._to.supervisor.tell(report)

    # ------------------------------------------------------------------ end

    def _end(
        self, reason: str, detail: str, *, retry_after_s: float | None = None, hard: bool = False
    ) -> None:
        """Close the socket and the epoch, report the reason, and stop.

        Args:
            reason: A stable word.
            detail: For people.
            retry_after_s: How long the next run should wait; None: as usual.
            hard: Without a closing handshake.
        """
        if self._ended:
            return
        # Closing the socket brings a SocketClosed, and a second end must change nothing.
        self._ended = True
        if self._socket is not None:
            self._socket.abort(reason) if hard else self._socket.close(1000, "")
        with contextlib.suppress(JournalFull):  # then coverage ends at the last proof
            cause = gap_cause(reason, exchange_silent=self._time.exchange_silent)
            # The last Tick may be older than the proof, and an epoch cannot close before its proof.
            self._epoch.close(max(self._time.wall_ns, self._coverage.proven_until_ns), cause)
        self._stats.end(reason, self._time.now)
        self._report("ended")
        # Before `stop`: by this message the supervisor tells an expected end from a crash. It
        # polls, and may find the actor dead at any moment after that.
        self._to.supervisor.tell(
            ConnectionEnded(
                child=self.child,
                incarnation=self.incarnation,
                epoch=self._coverage.epoch,
                reason=reason,
                detail=detail,
                retry_after_s=retry_after_s,
            )
        )
        self.stop()
