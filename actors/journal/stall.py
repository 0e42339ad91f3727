"""Whether the acknowledgement mark has stopped although the journal goes on."""


class Stall:
    """Notices a record that was journalled and told to nobody: its teller died in between.

    Args:
        after_s: How long the mark may stand before a record that waits.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._mark = 0
        self._since = 0.0

    def noticed(self, now: float, *, mark: int, next_seq: int) -> bool:
        """Say whether the mark stands too long; a yes begins the wait anew."""
        if mark != self._mark or next_seq <= mark:
            self._mark, self._since = mark, now
            return False
        if now - self._since < self._after_s:
            return False
        self._since = now
        return True
