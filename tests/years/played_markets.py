"""Markets that begin, and outcomes that two sources agree about. Pure."""

from decimal import Decimal
from random import Random

from actors.model.market import Asset, Market, Observation, Resolution, Source, TokenPayout
from actors.model.trade import ConditionId, TokenId

NAMES = ("Up", "Down")


def new_market(rng: Random) -> Market:
    """Return a market that nobody knows yet."""
    number = rng.getrandbits(40)
    return Market(
        condition_id=ConditionId(f"0x{rng.getrandbits(256):064x}"),
        question="Bitcoin Up or Down",
        slug=f"btc-updown-{number}",
        assets=tuple(
            Asset(
                token_id=TokenId(f"2{rng.getrandbits(250):076d}"[:77]),
                outcome=name,
                outcome_index=index,
            )
            for index, name in enumerate(NAMES)
        ),
    )


def resolved(condition: ConditionId, tokens: tuple[TokenId, TokenId], at_ns: int) -> Resolution:
    """Return that the first token won, with the evidence of two sources."""
    payouts = (Decimal(1), Decimal(0))
    evidence = tuple(
        Observation(
            condition_id=condition,
            source=source,
            observed_at_ms=at_ns // 1_000_000,
            payouts=tuple(zip(tokens, payouts, strict=True)),
            reason="",
            payload='{"closed": true}',
            names=tuple(zip(tokens, NAMES, strict=True)),
        )
        for source in (Source.CLOB, Source.GAMMA)
    )
    return Resolution(
        condition_id=condition,
        kind="winner",
        winning_token_id=tokens[0],
        winning_outcome=NAMES[0],
        payouts=payouts,
        by_token=tuple(
            TokenPayout(token_id=token, outcome=name, payout=payout)
            for token, name, payout in zip(tokens, NAMES, payouts, strict=True)
        ),
        evidence=evidence,
        resolved_at_ms=at_ns // 1_000_000,
        sources=tuple(each.source for each in evidence),
    )
