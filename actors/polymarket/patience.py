"""How long one source is left alone after it failed.

Seconds are monotonic and passed in. One client asks each source, one question
at a time, so the delays need no jitter.
"""

from actors.errors import PayloadRefused, SourceUnavailable

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
        """Say whether the source may be asked."""
        return self.failures == 0 or now >= self._ready_at

    def failed(self, now: float, failure: SourceUnavailable | PayloadRefused) -> float:
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
        """Give `ok`, or the last error."""
        return self.error or ("failing" if self.failures else "ok")
