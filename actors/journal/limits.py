"""How large the journal may become."""

import sys
from collections.abc import Callable

CapOf = Callable[[int], int]
"""Returns the cap where the journal may have so many bytes: what is free, and what it holds."""


class Limits:
    """Sizes in bytes. They grow, and never shrink.

    Args:
        max_bytes: The cap, or what it is where the journal may have so many bytes of the disk.
        segment_bytes: Size of a segment; at most a quarter of the cap is used.
        reserve_bytes: Size of the reserve; at most an eighth of the cap is used.

    Attributes:
        cap: For all segments and the reserve.
        highest_cap: To which the cap may grow.
        segment: A segment of this size is followed by another one.
        reserve: Size of the reserve.
    """

    def __init__(self, max_bytes: int | CapOf, *, segment_bytes: int, reserve_bytes: int) -> None:
        self._cap_of = max_bytes if callable(max_bytes) else lambda _: max_bytes
        self._most = segment_bytes, reserve_bytes
        self.cap = self.reserve = 0
        self.highest_cap = self._cap_of(sys.maxsize)
        self.segment = 1

    def grow(self, space: int) -> bool:
        """Raise the cap to what it is where the journal may have so many bytes.

        Returns:
            Whether it was lower.
        """
        cap = self._cap_of(space)
        if cap <= self.cap:
            return False
        segment_bytes, reserve_bytes = self._most
        self.cap = cap
        # Only whole segments are deleted, so a small journal needs small ones to get space back.
        self.segment = max(min(segment_bytes, cap // 4), 1)
        self.reserve = min(reserve_bytes, cap // 8)
        return True
