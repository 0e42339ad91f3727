"""Doubts: how often a connection was found deaf, and when that is once too often."""


class Doubts:
    """Two doubts within `window_s`, in monotonic seconds, mean that asking again does not help."""

    def __init__(self, *, window_s: float = 300.0) -> None:
        self._window_s = window_s
        self._doubted_at: float | None = None
        self.beyond_cure = False

    def add(self, now: float) -> None:
        """The connection was deaf for some token."""
        before, self._doubted_at = self._doubted_at, now
        if before is not None and now - before <= self._window_s:
            self.beyond_cure = True
