"""When Python looks for rubbish among all that there is.

Most of what is let go is freed at once. What holds itself in a circle, such as an actor
that ended, waits until the collector looks at everything, which stops all threads for as
long as that takes. Left alone it does so when a quarter more than last time has gathered:
seldom, at any moment, and until then memory grows. Here it is done by the clock.
"""

import gc
import time
from collections.abc import Callable

SHARE = 0.001
"""At most so much of the time is spent on it."""

LEAST_S = 60.0

_NEVER = 1_000_000


class Rubbish:
    """Looks at everything now and then: every minute, or more seldom when it takes long.

    Args:
        collect: Does it.
        monotonic: Tells how long it took, in seconds.
    """

    def __init__(
        self,
        *,
        collect: Callable[[], object] = gc.collect,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collect = collect
        self._monotonic = monotonic
        self._due_at = monotonic() + LEAST_S

    def turn(self) -> None:
        """Do it if it is due. Stops all threads of the process meanwhile."""
        began = self._monotonic()
        if began >= self._due_at:
            self._collect()
            ended = self._monotonic()
            self._due_at = ended + max(LEAST_S, (ended - began) / SHARE)


def look_seldom(young_objects: int) -> None:
    """Have the collector look by itself only at what is young.

    Args:
        young_objects: So many new ones wait for it.
    """
    gc.set_threshold(young_objects, 10, _NEVER)
