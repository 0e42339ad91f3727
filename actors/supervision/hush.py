"""Hush: silence of the whole exchange, told apart from that of one connection.

The exchange restarts every week for about 90 s. Then everybody is silent at
once, and to replace every connection would only make a storm. `now` is
monotonic seconds.
"""


class Hush:
    """Who is without data, and whether that is the exchange's doing.

    Args:
        silence_s: How long a connection may be silent. Shortly before that, when
            its probe has gone unanswered, it counts as without data.
        probe_s: How often one connection is replaced, to see whether that helps.
        fewest: With fewer connections than this nothing can be concluded.
    """

    def __init__(self, *, silence_s: float = 60.0, probe_s: float = 30.0, fewest: int = 3) -> None:
        self._hushed_s = silence_s * 0.9
        self._probe_s = probe_s
        self._fewest = fewest
        self._heard: dict[str, float] = {}
        self._probed_at: float | None = None
        self.over_all = False

    def reported(self, connection: str, *, listens: bool, data_at: float) -> None:
        """A connection says when its last data came, and whether it listens to any token."""
        if listens and data_at:
            self._heard[connection] = data_at
        else:
            self._heard.pop(connection, None)

    def ended(self, connection: str) -> None:
        """A connection is no more."""
        self._heard.pop(connection, None)

    def judge(self, now: float) -> bool:
        """Tell whether more than half of all that listen are without data at the same time."""
        hushed = sum(now - data_at >= self._hushed_s for data_at in self._heard.values())
        count = len(self._heard)
        silent = count >= self._fewest and hushed * 2 > count
        if silent and not self.over_all:
            self._probed_at = now
        self.over_all = silent
        return silent

    def probe(self, now: float) -> str | None:
        """Give the connection that has been silent longest, when one is due to be replaced."""
        if not self.over_all or self._probed_at is None or now - self._probed_at < self._probe_s:
            return None
        self._probed_at = now
        return min(self._heard, key=lambda name: (self._heard[name], name), default=None)
