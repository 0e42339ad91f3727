from tests.supervision.plan_samples import markets, planned


def test_a_canary_is_moderately_busy_and_not_the_slots_own() -> None:
    plan = planned(100, per_connection=20)
    busy = {token: n for n, (_, tokens) in enumerate(markets(100)) for token in tokens[:1]}
    for slot in plan.slots():
        canary = plan.canary(slot.id, lambda token: busy.get(token, 0))
        assert canary is not None
        assert canary not in plan.tokens_of(slot.id)
        assert 50 <= busy[canary] < 90


def test_canaries_are_spread_over_several_markets() -> None:
    plan = planned(500, per_connection=20)
    canaries = {plan.canary(slot.id, lambda _: 1) for slot in plan.slots()}
    assert len(canaries) > 20


def test_there_is_no_canary_where_nothing_is_busy() -> None:
    assert planned(100).canary("a-0000", lambda _: 0) is None


def test_there_is_no_canary_but_ones_own_on_a_single_slot() -> None:
    assert planned(3).canary("a-0000", lambda _: 1) is None


def test_an_empty_plan_has_no_canary() -> None:
    assert planned(0).canary("a-0000", lambda _: 1) is None


def test_a_removed_market_is_no_canary() -> None:
    plan = planned(1_000, per_connection=200)
    first = plan.canary("a-0000", lambda _: 1)
    assert first is not None
    gone = next(cid for cid, tokens in markets(1_000) if first in tokens)
    plan.remove([gone])
    second = plan.canary("a-0000", lambda _: 1)
    assert second not in (None, first)


def test_a_token_that_trades_no_more_is_no_canary() -> None:
    plan = planned(1_000, per_connection=200)
    first = plan.canary("a-0000", lambda _: 1)
    assert plan.canary("a-0000", lambda token: int(token != first)) not in (None, first)
