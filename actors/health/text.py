"""The headline: state, reasons and the most wanted figures in one line of text."""

from actors.health.document import Health
from actors.health.plaintext import clean


def verdict(health: Health) -> str:
    """Give the state and its reasons."""
    reasons = "; ".join(health.reasons)
    return clean(f"{health.state}: {reasons}" if reasons else health.state)


def headline(health: Health) -> str:
    """Give the verdict, then the main figures."""
    trades, lines = health.trades, health.connections
    return (
        f"{verdict(health)} | {trades.total:,} trades, {trades.last_minute:,} last minute"
        f" | {lines.live} of {lines.wanted} connections live"
        f" | {health.resolutions.recorded:,} resolutions"
    )
