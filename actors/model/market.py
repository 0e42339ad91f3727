"""Markets and their tokens, and the share of all markets that is this tracker's.

When several trackers divide the markets among themselves, each has a shard. The shard of a
market is found by rendezvous hashing: of all shard numbers the one whose digest together with
the market's id is greatest. Trackers need not know of each other, and when one is added, only
the markets of its own shard change hands.
"""

from datetime import datetime
from decimal import Decimal
from hashlib import blake2b

import msgspec

from actors.model.trade import ConditionId, TokenId


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a market: its token, the name of its outcome, and its index on the chain."""

    token_id: TokenId
    outcome: str
    outcome_index: int


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One condition with its tokens.

    Attributes:
        assets: In outcome order; two of them in every market that trades.
        end_at: When trading is planned to end (aware UTC), or None when unknown.
        started_at: Gamma's startDate (aware UTC), or None.
        active: Gamma says that it trades. False for a market that is known from the feed's
            announcement alone.
        closed: Gamma reports that trading ended, which does not mean that it resolved.
        version: `v1` (CTF tokens) or `v2` (positions).
        volume: USDC traded so far as the source reports it, or None.
        tags: Slugs of the tags, lower case.
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
        """Return the token ids in outcome order."""
        return tuple(asset.token_id for asset in self.assets)


class Shard(msgspec.Struct, frozen=True):
    """Shard `number` of `count`, counted from 1; shard 1 of 1 is everything."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard that a text like `2/3` means.

        Raises:
            ValueError: It means none.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()) or not 1 <= int(number) <= int(count):
            raise ValueError(f"{text!r} is no shard; the second of three is 2/3")
        return cls(int(number), int(count))

    def holds(self, condition_id: ConditionId) -> bool:
        """Return whether this market belongs to this shard."""
        if self.count == 1:
            return True
        ours = _weight(condition_id, self.number)
        others = (n for n in range(1, self.count + 1) if n != self.number)
        return all(ours > _weight(condition_id, other) for other in others)


def _weight(condition_id: ConditionId, number: int) -> bytes:
    """Return the digest; ids that differ only in the case of a digit are the same market."""
    return blake2b(f"{number}:{condition_id.lower()}".encode(), digest_size=8).digest()
