"""The status as text: one line for logs and systemd, and text that is safe on a terminal."""

import re
from typing import TYPE_CHECKING

# `tracker-status` imports `terminal_safe` alone; the types of the document take long to load.
if TYPE_CHECKING:
    from actors.health.document import Health

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def terminal_safe(text: str) -> str:
    """Return text from outside with `?` for each character that could drive a terminal."""
    return _UNPRINTABLE.sub("?", text)


def state_line(health: "Health") -> str:
    """Return the state and its reasons; what only needs attention is marked in a worse state."""
    # While it starts or stops, reasons have no level.
    known = len(health.levels) == len(health.reasons)
    levels = health.levels if known else (health.state,) * len(health.reasons)
    reasons = "; ".join(
        text if level == health.state else f"{level}: {text}"
        for text, level in zip(health.reasons, levels, strict=True)
    )
    return terminal_safe(f"{health.state}: {reasons}" if reasons else health.state)


def headline(health: "Health") -> str:
    """Return the state, the reasons for it and the main figures, in one line."""
    trades, connections = health.trades, health.connections
    return (
        f"{state_line(health)} | {trades.total:,} trades, {trades.last_minute:,} last minute"
        f" | {connections.live} of {connections.wanted} connections live"
        f" | {health.resolutions.recorded:,} resolutions"
    )
