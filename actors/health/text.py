"""The headline: state, reasons and the most wanted figures in one line of text."""

import re

from actors.health.document import Health

# MERGED: Plain text: what came from outside, harmless on a terminal.


_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Keep what came from outside from driving the terminal; one character stays one."""
    return _UNPRINTABLE.sub("?", text)


def verdict(health: Health) -> str:
    """Return the state and its reasons."""
    reasons = "; ".join(health.reasons)
    return clean(f"{health.state}: {reasons}" if reasons else health.state)


def headline(health: Health) -> str:
    """Return the verdict, then the main figures."""
    trades, lines = health.trades, health.connections
    return (
        f"{verdict(health)} | {trades.total:,} trades, {trades.last_minute:,} last minute"
        f" | {lines.live} of {lines.wanted} connections live"
        f" | {health.resolutions.recorded:,} resolutions"
    )
