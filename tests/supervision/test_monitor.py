"""What reports mean for connections: canaries, replacements, silence, deafness, splitting."""

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


def well(house: House, name: str, **said: object) -> None:
    """Let a connection say that it hears all of its tokens, up to now."""
    figures: dict[str, object] = {
        "tokens": 2,
        "confirmed": 2,
        "proven_until_ns": house.wall_ns,
        **said,
    }
    life = house.incarnation(name)
    house.tell(connection_report(name, life, "listening", house.epoch(name), **figures))


def replaced(house: House) -> list[str]:
    return [name for name in house.born() if "." in name]


def retired(house: House, name: str) -> list[str]:
    return [message.reason for message in house.ref(name).of(Retire)]


def serve(house: House, names: tuple[str, ...], seconds: int) -> House:
    """Let time pass in which these hear everything."""
    house.mute.update(names)
    for _ in range(seconds):
        house.tick()
        for name in names:
            if name in house.born() and house.ref(name).alive:
                well(house, name)
    house.mute.difference_update(names)
    return house


# ----------------------------------------------------------------- replacement


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
    """Return a house in which every connection has served its time, and its successor is born."""
    house = House(**options).begin(*numbers)
    house.tick(1.3 * 21_600)
    for _ in range(3):
        house.tick()
    return house


def test_the_old_connection_retires_when_its_successor_hears_everything() -> None:
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


def test_while_it_is_replaced_a_slot_is_told_of_changes_twice() -> None:
    house = aged(1, per_connection=6)
    house.tell(added(2), removed(1))

    for name in (SLOT, NEXT):
        assert house.ref(name).of(Subscribe) == [Subscribe(tokens=market(2).token_ids)]
        assert [one.tokens for one in house.ref(name).of(Unsubscribe)] == [market(1).token_ids]


def test_a_slot_that_closes_while_it_is_replaced_lets_both_go() -> None:
    house = aged(1)
    house.tell(removed(1))

    assert (retired(house, SLOT), retired(house, NEXT)) == (["released"], ["released"])
    for name in (SLOT, NEXT):
        house.end(name, "released")
    house.ticks(100)
    assert house.born().count(NEXT) == 1


def test_the_two_of_a_replacement_are_told_the_time_every_second_however_many_there_are() -> None:
    house = House().begin(*range(1, 401))
    names = ("a-0000", "a-0001")
    house.mute.update(house.born())
    for name in house.born():
        if name[1:2] == "-":
            well(house, name, wakes_at=house.now + 1e6)
    house.ticks(5)
    house.mute.add("a-0000.1")
    well(house, "a-0000", deaf=True, wakes_at=house.now + 1e6)
    house.ticks(2)
    assert replaced(house) == ["a-0000.1"]
    told = [len(house.ref(name).of(Tick)) for name in names]
    for _ in range(8):
        house.tick()
        well(house, "a-0000", wakes_at=house.now + 1e6)

    after = [len(house.ref(name).of(Tick)) for name in names]
    assert after[0] - told[0] == 8
    assert after[1] - told[1] < 8


def test_a_successor_that_hears_nothing_for_a_minute_goes_again() -> None:
    house = aged(1)
    house.mute.update((SLOT, NEXT))
    for _ in range(62):
        house.tick()
        well(house, SLOT)
        well(house, NEXT, confirmed=1)

    assert (retired(house, SLOT), retired(house, NEXT)) == ([], ["abandoned"])
    assert [line.id for line in house.health().connections.each] == [SLOT, "lifecycle"]


def test_one_that_ends_while_it_is_replaced_is_not_born_again() -> None:
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


@pytest.mark.parametrize("said", [{"deaf": True}, {"unheard": (TokenId("12"),), "confirmed": 1}])
def test_a_connection_that_does_not_hear_all_is_replaced(said: dict[str, object]) -> None:
    house = House().begin(1)
    house.mute.add(SLOT)
    for _ in range(3):
        house.tick()
        well(house, SLOT, **said)

    assert replaced(house) == [NEXT]


def test_nobody_is_replaced_while_we_stop() -> None:
    house = House().begin(1)
    house.actor._stopping = True
    house.tick(1.3 * 21_600).ticks(3)

    assert replaced(house) == []


# ----------------------------------------------------------------------- canary


def busy(house: House, name: str, busiest: Busiest) -> None:
    well(house, name, busy=busiest)


def test_a_newborn_connection_carries_a_busy_token_of_another_as_its_canary() -> None:
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


def test_a_silence_of_most_connections_is_told_to_all_and_one_is_replaced_every_30_s() -> None:
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
    probes = [name for name in names if retired(house, name) == ["exchange_silent"]]
    assert len(probes) == 1
    heard_at(house, names, house.now)
    house.tick()
    assert not house.ref("a-0003").of(Tick)[-1].exchange_silent


# ---------------------------------------------------------------------- deafness


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


def test_the_feed_that_did_not_report_a_trade_is_asked_and_nobody_else() -> None:
    house = House(redundancy=2).begin(1)
    house.tell(TradesMissed(missed=(MissedTrade(a_trade(1), ("b-0000",)),)))

    assert house.ref("a-0000").of(RecheckCoverage) == [RecheckCoverage(trades=(a_trade(1),))]
    assert house.ref("b-0000").of(RecheckCoverage) == []


def test_trades_of_markets_that_left_the_plan_are_nobodys_fault() -> None:
    house = House(redundancy=2).begin(1)
    house.tell(TradesMissed(missed=(MissedTrade(a_trade(2), ("b-0000",)),)))

    assert house.ref("a-0000").of(RecheckCoverage) == []


# --------------------------------------------------------------------- crowding


def test_the_hottest_market_of_a_connection_that_carried_too_much_gets_its_own() -> None:
    house = House(per_connection=6).begin(1, 2, 3)
    busy(house, SLOT, ((TokenId("22"), 90), (TokenId("11"), 3)))
    house.end(SLOT, "closed_1013")
    house.ticks(5)
    slots = {spec.name: spec.tokens for spec in house.specs}

    assert slots[SLOT] == ("11", "12", "31", "32")
    assert slots["a-0001"] == ("21", "22")


def test_nothing_is_planned_anew_while_we_stop() -> None:
    house = House(per_connection=6).begin(1, 2)
    busy(house, SLOT, ((TokenId("22"), 90),))
    house.tell(StopListening())
    house.end(SLOT, "closed_1013")
    house.ticks(3)

    assert house.born().count("a-0001") == 0
    assert "a-0001" not in house.children.by_id


def test_a_connection_with_one_market_cannot_carry_less() -> None:
    house = House().begin(1)
    busy(house, SLOT, ((TokenId("11"), 90),))
    house.end(SLOT, "closed_1013")
    house.ticks(5)

    assert house.incarnation(SLOT) == 2
    assert [name for name in house.born() if name[1:2] == "-"] == [SLOT, SLOT]


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
