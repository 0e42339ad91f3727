"""The audits of the stream of all markets: one market at a time, beside those of the Data API.

The stream keeps what it told for two hours, so only the latest hour that is over is compared, and
of it only markets that the stream names and that were listened to.
"""

from typing import Final

from actors.audit.comparison import MARGIN_MS, Hour, compare
from actors.audit.rounds import Lengths, Pace
from actors.messages import RequestStreamed, Streamed
from actors.model.audit import Audit, HourQuestion, StoredHour, Told, Witness

GIVEN_UP_S: Final = 300.0
"""After so long without an answer the next market is asked for."""


class StreamAudits:
    """The audit of the stream that is under way. In the thread of its actor.

    Args:
        markets: How many an hour.
        now: Monotonic seconds.
        lengths: Of hours and waits.
    """

    def __init__(self, markets: int, now: float, lengths: Lengths) -> None:
        self._pace = Pace(markets, now)
        self._lengths = lengths
        self._began_at = float("-inf")
        self._request: RequestStreamed | None = None
        self._under_way: tuple[Hour, Told, HourQuestion] | None = None

    def begin(self, now: float, wall_ms: int) -> RequestStreamed | None:
        """Return what to ask the stream now, if anything."""
        busy = self._request is not None or self._under_way is not None
        if not self._pace.is_due(now) or (busy and now - self._began_at < GIVEN_UP_S):
            return None
        self._pace.began(now)
        self._began_at = now
        self._under_way = None
        hour_ms = self._lengths.latest_ms(wall_ms)
        self._request = RequestStreamed(
            hour_ms=hour_ms,
            end_ms=(end_ms := hour_ms + self._lengths.hour_ms),
            since_ms=hour_ms - self._lengths.edge_ms,
            until_ms=end_ms + self._lengths.edge_ms,
        )
        return self._request

    def answered(self, message: Streamed) -> HourQuestion | None:
        """Take in what the stream told; return what to ask the database."""
        if message.request is not self._request:
            return None  # it was given up
        self._request = None
        if message.condition_id is None or message.told is None:
            return None
        hour = self._lengths.hour(message.condition_id, message.request.hour_ms)
        question = HourQuestion(
            condition_id=hour.condition_id,
            from_ms=hour.hour_ms - MARGIN_MS,
            until_ms=hour.end_ms + MARGIN_MS,
        )
        self._under_way = hour, message.told, question
        return question

    def stored(self, question: object, stored: StoredHour, wall_ms: int) -> Audit | None:
        """Return the audit, if this was asked for it; markets nobody listened to have none."""
        if self._under_way is None or question is not self._under_way[2]:
            return None
        hour, told, _ = self._under_way
        self._under_way = None
        if not stored.covered:
            return None
        return compare(hour, stored, told, witness=Witness.RTDS, checked_at_ms=wall_ms)
