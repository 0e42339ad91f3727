"""How the other side ended a connection, and what follows from it."""

from typing import Final

import msgspec

ALL_RESOLVED: Final = "all_resolved"
"""The exchange has nothing more to say about any token of this connection."""

SLOW_CONSUMER: Final = "closed_1013"
"""We read too slowly, or the connection carries too much."""

_COMPLAINT: Final = "closed_1008"
_COMPLAINT_S: Final = 10.0
_RESOLVED_S: Final = 300.0


class Farewell(msgspec.Struct, frozen=True):
    """What a lost socket means.

    Attributes:
        reason: Why the connection ended, a stable word.
        retry_after_s: How long its successor had better wait; None: as usual.
        complaint: It was something that we said.
    """

    reason: str
    retry_after_s: float | None = None
    complaint: bool = False


def farewell(reason: str, detail: str) -> Farewell:
    """Read the reason and the words that came with it.

    A connection whose markets are all resolved needs no other one until it is
    given more tokens; it looks again in a few minutes, in case the words were wrong.
    """
    if reason == "closed_1000" and "resolved" in detail:
        return Farewell(ALL_RESOLVED, _RESOLVED_S)
    if reason == _COMPLAINT:
        return Farewell(reason, _COMPLAINT_S, complaint=True)
    return Farewell(reason)
