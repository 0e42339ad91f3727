"""What one connection is for."""

import msgspec

from actors.model.trade import TokenId


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One lane of the plan, as its connection is born.

    Attributes:
        lane: The connection's name everywhere: the lane's, e.g. `leg0-0003`, for its
            first connection, `leg0-0003.1` and so on for those that replaced it.
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


def lane_of(connection: str) -> str:
    """Give the lane that a connection serves, or served.

    >>> lane_of("leg0-0003.7"), lane_of("leg0-0003")
    ('leg0-0003', 'leg0-0003')
    """
    return connection.partition(".")[0]
