"""How many file descriptors the process may open, and what they are for.

A connection has one. Some are kept for everything else: status, metrics, journal, database, HTTP,
name servers. Without that reserve thousands of connections would leave none for them.
"""

from typing import Final

import msgspec

RESERVED: Final = 64
"""Descriptors for all that is no connection; about 20 of them are used."""
HANDOVERS: Final = 8
"""Connections beyond the plan at a time: successors of others."""


class DescriptorLimit(msgspec.Struct, frozen=True):
    """The limit of the process, `RLIMIT_NOFILE`."""

    limit: int = 1 << 20

    @property
    def connections(self) -> int:
        """Return how many connections may be open at a time."""
        # Of a very small limit half is kept, so that there are connections at all.
        return max(self.limit - RESERVED, self.limit // 2)

    def needed(self, slots: int) -> int:
        """Return the limit that is needed for so many connections of the plan."""
        return slots + HANDOVERS + RESERVED
