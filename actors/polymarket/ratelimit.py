"""Which source may be asked now: one that fails is left alone, none is asked too often."""

from collections import deque
from collections.abc import Iterable

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.outcome import Source

# MERGED: how many requests of ours one host gets in any ten seconds. The
# documented limits are sliding windows of ten seconds as well: Gamma 300 for `/markets`, CLOB
# 9,000, Data API 800 (docs of 2026-04 and 2026-09). Ours are well below, since others may stand
# behind the same address. Seconds are monotonic and passed in.
WINDOW_S = 10.0
GAMMA_LISTINGS = 100


# MERGED: How long one source is left alone after it failed. Seconds are monotonic and
# passed in. One client asks each source, one question at a time, so the delays need no jitter.


FIRST_S = 1.0
LONGEST_S = 60.0
LONGEST_WISH_S = 300.0
ERROR_CHARS = 200


class Patience:
    """The failures of one source since it last answered.

    Attributes:
        error: What went wrong last, at most 200 characters; empty when it answers.
        failures: Failures in a row.
    """

    def __init__(self) -> None:
        self.error = ""
        self.failures = 0
        self._ready_at = 0.0

    def ready(self, now: float) -> bool:
        """Return whether the source may be asked."""
        return self.failures == 0 or now >= self._ready_at

    def failed(self, now: float, failure: SourceUnavailable | PayloadRejected) -> float:
        """Wait 1 s, doubling to 60 s, or what the server asks for up to 300 s; give the wait."""
        wait_s = min(FIRST_S * 2.0 ** min(self.failures, 10), LONGEST_S)
        if isinstance(failure, SourceUnavailable) and failure.retry_after_s is not None:
            wait_s = max(wait_s, min(failure.retry_after_s, LONGEST_WISH_S))
        self.failures += 1
        self.error = str(failure)[:ERROR_CHARS]
        self._ready_at = now + wait_s
        return wait_s

    def succeeded(self) -> None:
        """Forget the failures."""
        self.error = ""
        self.failures = 0

    @property
    def state(self) -> str:
        """Return `ok`, or the last error."""
        return self.error or ("failing" if self.failures else "ok")


"""For the catalogue. With a restart in the same ten seconds it may be spent twice."""
GAMMA_OUTCOMES = 80
CLOB = 1_000
DATA = 200
CHAIN = 20
"""Batches of up to 80 calls; public nodes document no limit."""


class RateLimit:
    """The requests of the last ten seconds, of which there are never more than `most`.

    Those who count know the time as of their last tick only: a request that was made at
    `now` may have left at any moment before the next, later `now`, which is what it is
    dated with.

    Attributes:
        spent: Requests since the start.
    """

    def __init__(self, most: int) -> None:
        self.spent = 0
        self._most = most
        self._times: deque[float] = deque()
        self._undated = 0
        self._now = float("-inf")
        self._begins_at = float("-inf")

    def ready(self, now: float) -> bool:
        """Return whether one more request may be made."""
        return now >= self._begins_at and self.recent(now) < self._most

    def exhaust(self, now: float) -> None:
        """Count as if all were spent just now: an earlier life may have done so."""
        self._begins_at = now + WINDOW_S

    def spend(self, now: float) -> None:
        """Count a request."""
        self._pass(now)
        self.spent += 1
        self._undated += 1

    def recent(self, now: float) -> int:
        """Return the requests of the last ten seconds."""
        self._pass(now)
        return len(self._times) + self._undated

    def _pass(self, now: float) -> None:
        if now > self._now:
            self._times.extend([now] * self._undated)
            self._undated, self._now = 0, now
        while self._times and now - self._times[0] >= WINDOW_S:
            self._times.popleft()


MOST = {
    Source.GAMMA: GAMMA_OUTCOMES,
    Source.CLOB: CLOB,
    Source.DATA: DATA,
    Source.CHAIN: CHAIN,
}


class SourceGates:
    """Patience and budget of each source that is in use. `now` is monotonic seconds."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._patience = {source: Patience() for source in sources}
        self._budgets = {source: RateLimit(MOST[source]) for source in self._patience}

    def begin(self, now: float) -> None:
        """Wait ten seconds: what an earlier life asked just before it was killed counts too."""
        for each in self._budgets.values():
            each.exhaust(now)

    def able(self, source: Source, now: float) -> bool:
        """Return whether the source answers, as far as is known."""
        return self._patience[source].ready(now)

    def any_able(self, now: float) -> bool:
        """Return whether any source answers."""
        return any(each.ready(now) for each in self._patience.values())

    def affords(self, source: Source, now: float) -> bool:
        """Return whether it may be asked once more in these ten seconds."""
        return self._budgets[source].ready(now)

    def open(self, source: Source, now: float) -> bool:
        """Return whether the source answers and may be asked."""
        return self.able(source, now) and self.affords(source, now)

    def asked(self, source: Source, now: float) -> None:
        """Count a request."""
        self._budgets[source].spend(now)

    def answered(self, source: Source) -> None:
        """Note that it answered."""
        self._patience[source].succeeded()

    def failed(
        self, source: Source, now: float, failure: SourceUnavailable | PayloadRejected
    ) -> float:
        """Note that it did not; give for how many seconds it is left alone."""
        return self._patience[source].failed(now, failure)

    def states(self) -> tuple[tuple[str, str], ...]:
        """Return (source, `ok` or its last error)."""
        return tuple((source.value, each.state) for source, each in self._patience.items())

    def requests(self, now: float) -> tuple[tuple[str, int, int], ...]:
        """Return (source, requests since the start, requests of the last ten seconds)."""
        return tuple(
            (source.value, each.spent, each.recent(now)) for source, each in self._budgets.items()
        )
