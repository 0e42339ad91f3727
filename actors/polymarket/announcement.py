"""The announcement of a market: what a `new_market` event says of it.

Source: recordings of 2026-01 to 2026-10. Token ids and outcomes stand side by side; what is not
said (end, volume, neg-risk) is known once Gamma lists the market.
"""

from actors.errors import PayloadRejected
from actors.model.market import Asset, Market
from actors.model.trade import ConditionId
from actors.polymarket import strict_json
from actors.polymarket.events import MarketEvent, condition_of

_V2_END = "00"


def market_of(event: MarketEvent) -> Market:
    """Return the market that is announced; it is not `active` before Gamma says so.

    Without tokens when they are not clear, or when the event says that it does not trade yet.

    Raises:
        PayloadRejected: The event names no condition id.
    """
    condition_id = _condition(event)
    return Market(
        condition_id=condition_id,
        question=strict_json.text(event.question),
        slug=strict_json.text(event.slug),
        assets=() if bytes(event.active) == b"false" else _assets(event),
        gamma_id=strict_json.text(event.id) or None,
        active=False,
        # The ids of V2 have 31 bytes; one in 256 of V1 ends so, too, until Gamma lists it.
        version="v2" if condition_id.endswith(_V2_END) else "v1",
        tags=tuple(
            dict.fromkeys(tag.lower() for tag in strict_json.texts(event.tags) or () if tag)
        ),
    )


def _condition(event: MarketEvent) -> ConditionId:
    try:
        return condition_of(event.market)
    except PayloadRejected:
        return condition_of(event.condition_id)


def _assets(event: MarketEvent) -> tuple[Asset, ...]:
    texts = strict_json.texts(event.assets_ids) or strict_json.texts(event.clob_token_ids) or []
    tokens = strict_json.tokens(texts)
    outcomes = strict_json.texts(event.outcomes) or []
    if tokens is None or len(set(tokens)) != 2 or len(tokens) != 2 or len(outcomes) != 2:
        return ()
    return tuple(
        Asset(token_id=token_id, outcome=outcome, outcome_index=index)
        for index, (token_id, outcome) in enumerate(zip(tokens, outcomes, strict=True))
    )
