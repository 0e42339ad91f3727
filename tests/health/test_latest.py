"""The last trades and resolutions in the status document."""

from decimal import Decimal
from typing import Any

from actors.health.latest import LatestHealth
from actors.messages import LatestStored
from actors.model.storage import MOST_LATEST, RecordedOutcome, TokenName
from actors.model.trade import ConditionId, TokenId, Trade

MS = 1_790_000_000_000
TOKEN = TokenId("71")
NAME = TokenName(token_id=TOKEN, slug="will-it-rain", question="Will it rain?", outcome="Yes")


def trade(number: int = 0, **fields: Any) -> Trade:
    values: dict[str, Any] = {
        "token_id": TOKEN,
        "condition_id": ConditionId("0x" + "ab" * 32),
        "traded_at_ms": MS + number,
        "received_at_ns": (MS + number + 40) * 10**6,
        "price": Decimal("0.50"),
        "size": Decimal(12),
        "side": "BUY",
    }
    return Trade(**{**values, **fields})


def outcome(number: int, **fields: Any) -> RecordedOutcome:
    values: dict[str, Any] = {
        "condition_id": ConditionId(f"0x{number:064x}"),
        "slug": f"market-{number}",
        "question": "?",
        "winner": "Yes",
        "resolved_at_ms": MS,
        "recorded_at_ms": MS + number,
    }
    return RecordedOutcome(**{**values, **fields})


def stored(
    *trades: Trade,
    names: tuple[TokenName, ...] = (),
    resolutions: tuple[RecordedOutcome, ...] = (),
) -> LatestStored:
    return LatestStored(trades=trades, names=names, resolutions=resolutions)


def test_a_trade_is_shown_with_its_names_and_the_decimals_as_stored() -> None:
    latest = LatestHealth()
    latest.stored(stored(trade(price=Decimal("0.330"), size=Decimal("1E+2")), names=(NAME,)))
    (shown,) = latest.part().trades
    assert (shown.market_slug, shown.question, shown.outcome) == (
        "will-it-rain",
        "Will it rain?",
        "Yes",
    )
    assert (shown.price, shown.size, shown.side, shown.token_id) == ("0.330", "100", "BUY", "71")
    assert shown.traded_at == "2026-09-21T14:13:20.000Z"


def test_what_is_not_known_is_null() -> None:
    latest = LatestHealth()
    latest.stored(stored(trade()))
    (shown,) = latest.part().trades
    assert (shown.market_slug, shown.question, shown.outcome) == (None, None, None)


def test_names_that_come_later_are_shown_with_earlier_trades() -> None:
    latest = LatestHealth()
    latest.stored(stored(trade(1)))
    latest.stored(stored(trade(2), names=(NAME,)))
    assert [each.outcome for each in latest.part().trades] == ["Yes", "Yes"]


def test_the_last_ten_by_the_time_of_the_exchange_are_shown_newest_first() -> None:
    latest = LatestHealth()
    latest.stored(stored(*(trade(number) for number in (5, 30, 7))))
    latest.stored(stored(*(trade(number) for number in range(10, 20))))
    sizes = [each.traded_at for each in latest.part().trades]
    assert len(sizes) == MOST_LATEST
    assert sizes == sorted(sizes, key=str, reverse=True)
    assert sizes[0] == "2026-09-21T14:13:20.030Z"
    assert sizes[-1] == "2026-09-21T14:13:20.011Z"


def test_a_trade_of_both_feeds_is_shown_once_and_two_equal_trades_twice() -> None:
    latest = LatestHealth()
    late = (MS + 700) * 10**6
    latest.stored(stored(trade(), trade(occurrence=2), trade(received_at_ns=late)))
    latest.stored(stored(trade(received_at_ns=late + 1)))
    assert len(latest.part().trades) == 2


def test_a_trade_of_the_future_is_overtaken_by_later_ones() -> None:
    latest = LatestHealth()
    latest.stored(stored(trade(traded_at_ms=MS + 86_000_000, price=Decimal("0.9"))))
    for number in range(100, 112):
        latest.stored(stored(trade(number)))
    assert {each.price for each in latest.part().trades} == {"0.50"}


def test_resolutions_are_shown_newest_first_and_each_market_once() -> None:
    latest = LatestHealth()
    latest.stored(stored(resolutions=(outcome(2), outcome(1, winner=""))))
    latest.stored(stored(resolutions=(*(outcome(each) for each in range(3, 14)), outcome(2))))
    shown = latest.part().resolutions
    assert [each.market_slug for each in shown] == [f"market-{n}" for n in range(13, 3, -1)]
    assert shown[0].recorded_at == "2026-09-21T14:13:20.013Z"


def test_names_of_trades_that_are_shown_no_more_are_forgotten() -> None:
    latest = LatestHealth()
    for number in range(50):
        token = TokenId(str(number))
        name = TokenName(token_id=token, slug="s", question="q", outcome="Yes")
        latest.stored(stored(trade(number, token_id=token), names=(name,)))
    assert len(latest._names) == MOST_LATEST
