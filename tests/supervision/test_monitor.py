"""What reports mean for connections: canaries, handovers, silence, missed trades, splitting."""

from decimal import Decimal

import pytest

from actors.messages import (
    RecheckCoverage,
    Retire,
    StopListening,
    Subscribe,
    Tick,
    TradesMissed,
    Unsubscribe,
)
from actors.model.trade import Busiest, MissedTrade, TokenId, Trade
from tests.actor_harness import SLOT, House, added, connection_report, market, removed

NEXT = f"{SLOT}.1"


def well(house: House, name: str, **figures: object) -> None:
    """Let a connection report that it listens to all of its tokens, up to now."""
    reported: dict[str, object] = {
        "tokens": 2,
        "confirmed": 2,
        "proven_until_ns": house.wall_ns,
        **figures,
    }
    number = house.incarnation(name)
    house.tell(connection_report(name, number, "listening", house.epoch(name), **reported))


def replaced(house: House) -> list[str]:
    return [name for name in house.started() if "." in name]


def retired(house: House, name: str) -> list[str]:
    return [message.reason for message in house.ref(name).of(Retire)]


def serve(house: House, names: tuple[str, ...], seconds: int) -> House:
    """Let time pass in which these listen to everything."""
    house.mute.update(names)
    for _ in range(seconds):
        house.tick()
        for name in names:
            if name in house.started() and house.ref(name).alive:
                well(house, name)
    house.mute.difference_update(names)
    return house


# -------------------------------------------------------------------- handover


def test_a_connection_is_replaced_about_every_six_hours() -> None:
    house = House().begin(1)
    house.tick(0.75 * 21_600)
    house.ticks(2)
    assert replaced(house) == []
    house.tick(0.5 * 21_600)
    house.ticks(3)

    assert replaced(house) == [NEXT]
    assert house.specs[-1].tokens == market(1).token_ids


def aged(*numbers: int, **options: int) -> House:
    """Return a house in which every connection has a successor, because of its age."""
    house = House(**options).begin(*numbers)
    house.tick(1.3 * 21_600)
    for _ in range(3):
        house.tick()
    return house


def test_the_old_connection_retires_when_its_successor_listens_to_everything() -> None:
    house = aged(1)
    assert retired(house, SLOT) == []
    serve(house, (SLOT, NEXT), 4)

    assert retired(house, SLOT) == ["replaced"]
    assert retired(house, NEXT) == []
    house.end(SLOT, "replaced")
    house.ticks(100)
    assert house.incarnation(SLOT) == 1
    assert house.noted(SLOT)[-1] == ("disconnected", "replaced")
    assert house.noted(NEXT) == [("connected", "")]


def test_the_status_counts_the_successor_alone_afterwards() -> None:
    house = aged(1)
    serve(house, (SLOT, NEXT), 4)

    assert [line.id for line in house.health().connections.each] == [NEXT, "lifecycle"]
    assert house.health().assets.covered == 2


def test_during_a_handover_both_connections_receive_changes() -> None:
    house = aged(1, per_connection=6)
    house.tell(added(2), removed(1))

    for name in (SLOT, NEXT):
        assert house.ref(name).of(Subscribe) == [Subscribe(tokens=market(2).token_ids)]
        assert [one.tokens for one in house.ref(name).of(Unsubscribe)] == [market(1).token_ids]


def test_a_slot_that_closes_during_a_handover_retires_both() -> None:
    house = aged(1)
    house.tell(removed(1))

    assert (retired(house, SLOT), retired(house, NEXT)) == (["released"], ["released"])
    for name in (SLOT, NEXT):
        house.end(name, "released")
    house.ticks(100)
    assert house.started().count(NEXT) == 1


def test_both_connections_of_a_handover_receive_the_time_every_second_among_many() -> None:
    house = House().begin(*range(1, 401))
    names = ("a-0000", "a-0001")
    house.mute.update(house.started())
    for name in house.started():
        if name[1:2] == "-":
            well(house, name, wakes_at=house.now + 1e6)
    house.ticks(5)
    house.mute.add("a-0000.1")
    well(house, "a-0000", misses_trades=True, wakes_at=house.now + 1e6)
    house.ticks(2)
    assert replaced(house) == ["a-0000.1"]
    ticks = [len(house.ref(name).of(Tick)) for name in names]
    for _ in range(8):
        house.tick()
        well(house, "a-0000", wakes_at=house.now + 1e6)

    after = [len(house.ref(name).of(Tick)) for name in names]
    assert after[0] - ticks[0] == 8
    assert after[1] - ticks[1] < 8


def test_a_successor_that_receives_too_little_for_a_minute_retires() -> None:
    house = aged(1)
    house.mute.update((SLOT, NEXT))
    for _ in range(62):
        house.tick()
        well(house, SLOT)
        well(house, NEXT, confirmed=1)

    assert (retired(house, SLOT), retired(house, NEXT)) == ([], ["abandoned"])
    assert [line.id for line in house.health().connections.each] == [SLOT, "lifecycle"]


def test_one_that_ends_during_its_handover_is_not_restarted() -> None:
    house = aged(1)
    house.end(SLOT, "reset")
    serve(house, (NEXT,), 70)

    assert house.incarnation(SLOT) == 1
    assert retired(house, NEXT) == []


def test_at_most_eight_are_replaced_at_the_same_time() -> None:
    house = House(starts_per_tick=100).begin(*range(1, 30))
    house.tick(1.3 * 21_600)
    house.ticks(3)

    assert len(replaced(house)) == 8


def test_two_feeds_of_a_market_are_never_replaced_at_the_same_time() -> None:
    house = House(redundancy=2).begin(1)
    feeds = ("a-0000", "b-0000")
    house.tick(1.3 * 21_600)
    house.ticks(3)
    assert replaced(house) == ["a-0000.1"]
    serve(house, (*feeds, "a-0000.1"), 6)

    assert retired(house, "a-0000") == ["replaced"]
    assert replaced(house) == ["a-0000.1", "b-0000.1"]


@pytest.mark.parametrize(
    "figures", [{"misses_trades": True}, {"unanswered": (TokenId("12"),), "confirmed": 1}]
)
def test_a_connection_that_does_not_receive_all_is_replaced(figures: dict[str, object]) -> None:
    house = House().begin(1)
    house.mute.add(SLOT)
    for _ in range(3):
        house.tick()
        well(house, SLOT, **figures)

    assert replaced(house) == [NEXT]


def test_nothing_is_replaced_during_the_stop() -> None:
    house = House().begin(1)
    house.actor._stopping = True
    house.tick(1.3 * 21_600).ticks(3)

    assert replaced(house) == []


# ----------------------------------------------------------------------- canary


def busy(house: House, name: str, busiest: Busiest) -> None:
    well(house, name, busy=busiest)


def test_a_new_connection_carries_a_busy_token_of_another_as_its_canary() -> None:
    house = House().begin(1, 2)
    assert [spec.canary for spec in house.specs] == [(), (), ()]
    house.mute.add("a-0001")
    busy(house, "a-0001", ((TokenId("21"), 7),))
    house.end(SLOT, "reset")
    house.ticks(3)

    assert (house.specs[-1].name, house.specs[-1].canary) == (SLOT, ("21",))


def test_the_only_busy_connection_has_no_canary_of_its_own() -> None:
    house = House().begin(1)
    busy(house, SLOT, ((TokenId("11"), 7),))
    house.end(SLOT, "reset")
    house.ticks(3)

    assert house.specs[-1].canary == ()


# ---------------------------------------------------------------------- silence


def heard_at(house: House, names: tuple[str, ...], at: float) -> None:
    for name in names:
        well(house, name, last_data_at=at)


def test_of_a_silent_exchange_all_are_informed_and_one_is_replaced_every_30_s() -> None:
    house = House().begin(1, 2, 3, 4)
    names = tuple(f"a-{number:04}" for number in range(4))
    house.mute.update(names)
    at = house.now
    for _ in range(53):
        house.tick()
        heard_at(house, names, at)
    assert not house.ref(SLOT).of(Tick)[-1].exchange_silent
    for _ in range(34):
        house.tick()
        heard_at(house, names, at)

    assert house.ref(SLOT).of(Tick)[-1].exchange_silent
    trials = [name for name in names if retired(house, name) == ["exchange_silent"]]
    assert len(trials) == 1
    heard_at(house, names, house.now)
    house.tick()
    assert not house.ref("a-0003").of(Tick)[-1].exchange_silent


# ---------------------------------------------------------------- missed trades


def a_trade(number: int) -> Trade:
    return Trade(
        token_id=market(number).token_ids[0],
        condition_id=market(number).condition_id,
        traded_at_ms=1,
        received_at_ns=1,
        price=Decimal("0.5"),
        size=Decimal(1),
        side="BUY",
    )


def test_only_the_feed_that_did_not_report_a_trade_is_asked_to_recheck() -> None:
    house = House(redundancy=2).begin(1)
    house.tell(TradesMissed(missed=(MissedTrade(a_trade(1), ("b-0000",)),)))

    assert house.ref("a-0000").of(RecheckCoverage) == [RecheckCoverage(trades=(a_trade(1),))]
    assert house.ref("b-0000").of(RecheckCoverage) == []


def test_trades_of_markets_that_left_the_plan_are_rechecked_by_none() -> None:
    house = House(redundancy=2).begin(1)
    house.tell(TradesMissed(missed=(MissedTrade(a_trade(2), ("b-0000",)),)))

    assert house.ref("a-0000").of(RecheckCoverage) == []


# --------------------------------------------------------------------- overload


def test_the_busiest_market_of_an_overloaded_connection_gets_its_own() -> None:
    house = House(per_connection=6).begin(1, 2, 3)
    busy(house, SLOT, ((TokenId("22"), 90), (TokenId("11"), 3)))
    house.end(SLOT, "closed_1013")
    house.ticks(5)
    slots = {spec.name: spec.tokens for spec in house.specs}

    assert slots[SLOT] == ("11", "12", "31", "32")
    assert slots["a-0001"] == ("21", "22")


def test_the_plan_does_not_change_during_the_stop() -> None:
    house = House(per_connection=6).begin(1, 2)
    busy(house, SLOT, ((TokenId("22"), 90),))
    house.tell(StopListening())
    house.end(SLOT, "closed_1013")
    house.ticks(3)

    assert house.started().count("a-0001") == 0
    assert "a-0001" not in house.children.by_id


def test_a_connection_with_one_market_cannot_carry_less() -> None:
    house = House().begin(1)
    busy(house, SLOT, ((TokenId("11"), 90),))
    house.end(SLOT, "closed_1013")
    house.ticks(5)

    assert house.incarnation(SLOT) == 2
    assert [name for name in house.started() if name[1:2] == "-"] == [SLOT, SLOT]


# -------------------------------------------------------------------- resolution


def test_a_connection_whose_markets_have_all_resolved_waits_until_it_has_tokens() -> None:
    house = House(per_connection=6).begin(1)
    house.end(SLOT, "all_resolved", retry_after_s=300.0)
    house.ticks(200)
    assert house.incarnation(SLOT) == 1
    house.tell(added(2))
    house.ticks(2)

    assert house.incarnation(SLOT) == 2
    assert house.specs[-1].tokens == ("11", "12", "21", "22")


def test_a_connection_that_waits_for_other_reasons_is_not_woken() -> None:
    house = House(per_connection=6).begin(1)
    house.end(SLOT, "http_429", retry_after_s=300.0)
    house.ticks(10)
    house.tell(added(2))
    house.ticks(10)

    assert house.incarnation(SLOT) == 1
