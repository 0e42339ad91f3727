"""What one connection is for."""

import msgspec

from actors.logic.trade import TokenId


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One lane of the plan, as its connection is born.

    Attributes:
        lane: Stable name, e.g. `leg0-0003`; the connection's name everywhere.
        leg: Which of the independent sets of connections it belongs to, from 0.
        tokens: Whose prints it records.
        pulse: Tokens subscribed only so that silence means something; another
            connection records their prints.
        lifecycle: Listen for new markets and resolutions of all markets.
    """

    lane: str
    leg: int
    tokens: tuple[TokenId, ...] = ()
    pulse: tuple[TokenId, ...] = ()
    lifecycle: bool = False
