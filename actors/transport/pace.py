"""The pace: how long the reactor lets bytes gather in the kernel before it looks again.

A visit to a line costs the same for one frame as for ten. A crowd of lines that each
bring a frame now and then is therefore read in rounds: the more lines, the longer the
round. A few lines are read at once, and so is everyone while somebody brings much.
"""

FEW = 300
"""Lines that are read at once."""

LINE_S = 1 / 7_500
"""What each line adds to the time from one round to the next: 0.08 s with 600."""

LONGEST_S = 0.2

MUCH_BYTES = 32 << 10
"""A line that brings more at once lets nobody rest: what waits in the kernel must stay
below the 64 KiB that it offers the sender at first, or the sender would wait for us."""


def rest_s(*, lines: int, since_s: float) -> float:
    """Give how long to rest after a round that began so long ago; 0 for not at all."""
    if lines <= FEW:
        return 0.0
    return max(0.0, min(lines * LINE_S, LONGEST_S) - since_s)
