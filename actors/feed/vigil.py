"""The vigil: what one connection does about silence."""

from actors.feed.coverage import Listening
from actors.feed.epoch import Epoch
from actors.feed.liveness import Liveness, gap_cause
from actors.feed.ports import Line
from actors.feed.subscription import Subscription
from actors.messages import Tick
from actors.model.connection import LaneSpec
from actors.polymarket import channel


class Vigil:
    """Watches one line from its first subscription on.

    A connection that hears of new markets only, without a pulse, is given ten
    times the patience: nothing but silence is to be expected of it.
    """

    def __init__(
        self, lane: LaneSpec, subscription: Subscription, epoch: Epoch, *, silence_s: float
    ) -> None:
        resting = lane.lifecycle and not lane.pulse
        self._liveness = Liveness(silence_s=silence_s * (10 if resting else 1))
        self._subscription = subscription
        self._epoch = epoch

    def begin(self, now: float) -> None:
        """The first subscription was sent."""
        self._liveness.subscribed(now)

    def turn(self, tick: Tick, line: Line, listening: Listening) -> str | None:
        """Keep the line alive, ask for what does not come; give the reason to end it, or None."""
        self.take_up(tick, line, listening)
        silent = tick.exchange_silent
        reason = self._liveness.verdict(tick.now, line, listening, exchange_silent=silent)
        if reason is not None:
            return reason
        if self._liveness.ping_due(tick.now):
            line.send_text(channel.PING)
        if not silent:
            self._subscription.insist(tick.now)
            if self._subscription.can_probe and self._liveness.probe_due(tick.now, line):
                self._subscription.probe(tick.now)
        return None

    def wakes_at(self, line: Line) -> float:
        """Give when it is to turn again, at the latest; 0.0: on every Tick."""
        return self._liveness.wakes_at(line) if self._subscription.answered else 0.0

    def take_up(self, tick: Tick, line: Line, listening: Listening) -> None:
        """Begin to listen anew, on the same line, after a silence in which something was lost.

        Before the frame is handled that would prove the silence.
        """
        if self._liveness.resumed(tick.now, line):
            tokens = listening.confirmed
            self._epoch.release(tokens, gap_cause("frozen", exchange_silent=tick.exchange_silent))
            self._subscription.again(tokens, tick.now)
