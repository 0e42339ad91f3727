"""A market of the universe and its tokens, whatever source described it."""

from datetime import datetime
from decimal import Decimal

import msgspec

from actors.model.trade import ConditionId, TokenId


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a market: a token, its outcome's name and its place on the chain."""

    token_id: TokenId
    outcome: str
    outcome_index: int


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One condition with its tokens.

    Attributes:
        assets: In outcome order; two of them in every market that trades.
        end_at: When trading is planned to end (aware UTC), or None when not told.
        started_at: Gamma's startDate (aware UTC), or None.
        closed: Gamma says that trading ended; not that it resolved.
        version: `v1` (CTF tokens) or `v2` (positions).
        volume: USDC traded so far as the source tells it, or None.
        tags: Tag slugs, lower case.
    """

    condition_id: ConditionId
    question: str
    slug: str
    assets: tuple[Asset, ...]
    gamma_id: str | None = None
    end_at: datetime | None = None
    started_at: datetime | None = None
    closed: bool = False
    active: bool = True
    neg_risk: bool = False
    version: str = "v1"
    volume: Decimal | None = None
    tags: tuple[str, ...] = ()

    @property
    def token_ids(self) -> tuple[TokenId, ...]:
        """Give the token ids in outcome order."""
        return tuple(asset.token_id for asset in self.assets)
