"""The last trades and resolutions that were stored, as the status document shows them.

They are for people who want to see what arrives. The writer sends a few about once a second, so a
busy exchange has many more; and only those of this process.
"""

import msgspec

from actors.messages import LatestStored
from actors.model.conversion import iso
from actors.model.storage import MOST_LATEST, RecordedOutcome, TokenName
from actors.model.trade import TokenId, Trade

_MS = 1_000_000


class LatestTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One stored trade. Texts are as others wrote them, 200 characters of each; null: not known.

    Attributes:
        traded_at: The exchange's time.
        market_slug: The end of the market's web address.
        question: What the market asks.
        outcome: The name of the token that was traded.
        side: The taker's: `BUY` or `SELL`.
        price: USDC a share, exact decimal text as stored.
        size: Shares, likewise.
        token_id: The token that was traded.
    """

    traded_at: str | None
    market_slug: str | None
    question: str | None
    outcome: str | None
    side: str | None
    price: str | None
    size: str | None
    token_id: str | None


class LatestResolution(msgspec.Struct, frozen=True, kw_only=True):
    """One stored resolution. Texts are as others wrote them, 200 characters of each.

    Attributes:
        market_slug: The end of the market's web address; null: not known.
        question: What the market asks; null: not known.
        winner: The name of the outcome that pays 1; empty for a split; null: no two sources
            name it alike.
        resolved_at: When the market resolved.
        recorded_at: When that was stored.
    """

    market_slug: str | None
    question: str | None
    winner: str | None
    resolved_at: str | None
    recorded_at: str | None


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The last trades and resolutions that this process stored, newest first, at most ten each.

    Attributes:
        trades: By the exchange's time. One that arrived on two feeds is here once.
        resolutions: By the time at which they were stored.
    """

    trades: tuple[LatestTrade, ...]
    resolutions: tuple[LatestResolution, ...]


class LatestHealth:
    """Keeps the last trades and resolutions of all that the writer sends."""

    def __init__(self) -> None:
        self._trades: tuple[Trade, ...] = ()
        self._names: dict[TokenId, TokenName] = {}
        self._resolutions: tuple[RecordedOutcome, ...] = ()

    def stored(self, message: LatestStored) -> None:
        """Take what was stored since the message before; only the last of all are kept."""
        if message.trades:
            found = {_identity(each): each for each in (*message.trades, *self._trades)}
            newest = sorted(found.values(), key=_moment_ms, reverse=True)
            self._trades = tuple(newest[:MOST_LATEST])
            names = self._names | {each.token_id: each for each in message.names}
            shown = {each.token_id for each in self._trades}
            self._names = {token: name for token, name in names.items() if token in shown}
        if message.resolutions:
            recorded = {each.condition_id: each for each in self._resolutions}
            recorded |= {each.condition_id: each for each in message.resolutions}
            latest = sorted(recorded.values(), key=lambda each: -each.recorded_at_ms)
            self._resolutions = tuple(latest[:MOST_LATEST])

    def part(self) -> Latest:
        """Return its part of the document."""
        return Latest(
            trades=tuple(map(self._trade, self._trades)),
            resolutions=tuple(map(_resolution, self._resolutions)),
        )

    def _trade(self, trade: Trade) -> LatestTrade:
        name = self._names.get(trade.token_id)
        return LatestTrade(
            traded_at=iso(trade.traded_at_ms * _MS),
            market_slug=name.slug if name else None,
            question=name.question if name else None,
            outcome=name.outcome if name else None,
            side=trade.side,
            price=format(trade.price, "f"),
            size=format(trade.size, "f"),
            token_id=trade.token_id,
        )


def _identity(trade: Trade) -> tuple[object, ...]:
    """Return what makes two trades the same, whichever connections received them."""
    what = (trade.price, trade.size, trade.side, trade.transaction_hash, trade.occurrence)
    return (trade.token_id, trade.traded_at_ms, *what)


def _moment_ms(trade: Trade) -> int:
    """Return the exchange's time of a trade; one of the future counts as just received."""
    return min(trade.traded_at_ms, trade.received_at_ns // _MS)


def _resolution(outcome: RecordedOutcome) -> LatestResolution:
    return LatestResolution(
        market_slug=outcome.slug,
        question=outcome.question,
        winner=outcome.winner,
        resolved_at=iso(outcome.resolved_at_ms * _MS),
        recorded_at=iso(outcome.recorded_at_ms * _MS),
    )
