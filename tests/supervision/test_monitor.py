"""What reports mean for connections: canaries, handovers, silence, missed trades, splitting."""

from decimal import Decimal

import pytest

from actors.messages import (
    ChangeCanary,
    HeardElsewhere,
    RecheckCoverage,
    Renew,
    Retire,
    StopListening,
    Subscribe,
    Tick,
    TradesMissed,
    Unsubscribe,
)
from actors.model.assumptions import Assumption
from actors.model.trade import Busiest, MissedTrade, TokenId, Trade
from tests.actor_harness import SLOT, SupervisorHarness, added, connection_report, market, removed

NEXT = f"{SLOT}.1"


def well(harness: SupervisorHarness, name: str, **figures: object) -> None:
    """Let a connection report that it listens to all of its tokens, up to now."""
    reported: dict[str, object] = {
        "tokens": 2,
        "confirmed": 2,
        "proven_until_ns": harness.wall_ns,
        **figures,
    }
    number = harness.incarnation(name)
    harness.tell(connection_report(name, number, "listening", harness.epoch(name), **reported))


def replaced(harness: SupervisorHarness) -> list[str]:
    return [name for name in harness.started() if "." in name]


def retired(harness: SupervisorHarness, name: str) -> list[str]:
    return [message.reason for message in harness.ref(name).of(Retire)]


def serve(harness: SupervisorHarness, names: tuple[str, ...], seconds: int) -> SupervisorHarness:
    """Let time pass in which these listen to everything."""
    harness.mute.update(names)
    for _ in range(seconds):
        harness.tick()
        for name in names:
            if name in harness.started() and harness.ref(name).alive:
                well(harness, name)
    harness.mute.difference_update(names)
    return harness


# -------------------------------------------------------------------- handover


def test_a_connection_is_replaced_about_every_six_hours() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tick(0.75 * 21_600)
    harness.ticks(2)
    assert replaced(harness) == []
    harness.tick(0.5 * 21_600)
    harness.ticks(3)

    assert replaced(harness) == [NEXT]
    assert harness.specs[-1].tokens == market(1).token_ids


def aged(*numbers: int, **options: int) -> SupervisorHarness:
    """Return a harness in which every connection has a successor, because of its age."""
    harness = SupervisorHarness(**options).begin(*numbers)
    harness.tick(1.3 * 21_600)
    for _ in range(3):
        harness.tick()
    return harness


def test_the_old_connection_retires_when_its_successor_listens_to_everything() -> None:
    harness = aged(1)
    assert retired(harness, SLOT) == []
    serve(harness, (SLOT, NEXT), 4)

    assert retired(harness, SLOT) == ["replaced"]
    assert retired(harness, NEXT) == []
    harness.end(SLOT, "replaced")
    harness.ticks(100)
    assert harness.incarnation(SLOT) == 1
    assert harness.noted(SLOT)[-1] == ("disconnected", "replaced")
    assert harness.noted(NEXT) == [("connected", "")]


def test_the_status_counts_the_successor_alone_afterwards() -> None:
    harness = aged(1)
    serve(harness, (SLOT, NEXT), 4)

    assert [line.id for line in harness.health().connections.each] == [NEXT, "lifecycle"]
    assert harness.health().assets.covered == 2


def test_during_a_handover_both_connections_receive_changes() -> None:
    harness = aged(1, per_connection=6)
    harness.tell(added(2), removed(1))

    for name in (SLOT, NEXT):
        assert harness.ref(name).of(Subscribe) == [Subscribe(tokens=market(2).token_ids)]
        assert [one.tokens for one in harness.ref(name).of(Unsubscribe)] == [market(1).token_ids]


def test_a_slot_that_closes_during_a_handover_retires_both() -> None:
    harness = aged(1)
    harness.tell(removed(1))

    assert (retired(harness, SLOT), retired(harness, NEXT)) == (["released"], ["released"])
    for name in (SLOT, NEXT):
        harness.end(name, "released")
    harness.ticks(100)
    assert harness.started().count(NEXT) == 1


def test_both_connections_of_a_handover_receive_the_time_every_second_among_many() -> None:
    harness = SupervisorHarness().begin(*range(1, 401))
    names = ("a-0000", "a-0001")
    harness.mute.update(harness.started())
    for name in harness.started():
        if name[1:2] == "-":
            well(harness, name, wakes_at=harness.now + 1e6)
    harness.ticks(5)
    harness.mute.add("a-0000.1")
    well(harness, "a-0000", misses_trades=True, wakes_at=harness.now + 1e6)
    harness.ticks(2)
    assert replaced(harness) == ["a-0000.1"]
    ticks = [len(harness.ref(name).of(Tick)) for name in names]
    for _ in range(8):
        harness.tick()
        well(harness, "a-0000", wakes_at=harness.now + 1e6)

    after = [len(harness.ref(name).of(Tick)) for name in names]
    assert after[0] - ticks[0] == 8
    assert after[1] - ticks[1] < 8


def test_a_successor_that_receives_too_little_for_a_minute_retires() -> None:
    harness = aged(1)
    harness.mute.update((SLOT, NEXT))
    for _ in range(62):
        harness.tick()
        well(harness, SLOT)
        well(harness, NEXT, confirmed=1)

    assert (retired(harness, SLOT), retired(harness, NEXT)) == ([], ["abandoned"])
    assert [line.id for line in harness.health().connections.each] == [SLOT, "lifecycle"]


def test_a_successor_takes_over_although_a_market_has_settled_meanwhile() -> None:
    harness = aged(1, 2, per_connection=4)
    harness.mute.update((SLOT, NEXT))
    settled, other = market(1).token_ids, market(2).token_ids
    for _ in range(75):
        harness.tick()
        well(harness, SLOT, traded=frozenset(other))
        well(harness, NEXT, confirmed=2, waiting=frozenset(settled))

    assert (retired(harness, SLOT), retired(harness, NEXT)) == (["replaced"], [])


def test_one_that_ends_during_its_handover_is_not_restarted() -> None:
    harness = aged(1)
    harness.end(SLOT, "reset")
    serve(harness, (NEXT,), 70)

    assert harness.incarnation(SLOT) == 1
    assert retired(harness, NEXT) == []


def test_at_most_eight_are_replaced_at_the_same_time() -> None:
    harness = SupervisorHarness(starts_per_tick=100).begin(*range(1, 30))
    harness.tick(1.3 * 21_600)
    harness.ticks(3)

    assert len(replaced(harness)) == 8


def test_two_feeds_of_a_market_are_never_replaced_at_the_same_time() -> None:
    harness = SupervisorHarness(redundancy=2).begin(1)
    feeds = ("a-0000", "b-0000")
    harness.tick(1.3 * 21_600)
    harness.ticks(3)
    assert replaced(harness) == ["a-0000.1"]
    serve(harness, (*feeds, "a-0000.1"), 6)

    assert retired(harness, "a-0000") == ["replaced"]
    assert replaced(harness) == ["a-0000.1", "b-0000.1"]


@pytest.mark.parametrize(
    "figures", [{"misses_trades": True}, {"unanswered": (TokenId("12"),), "confirmed": 1}]
)
def test_a_connection_that_does_not_receive_all_is_replaced(figures: dict[str, object]) -> None:
    harness = SupervisorHarness().begin(1)
    harness.mute.add(SLOT)
    for _ in range(3):
        harness.tick()
        well(harness, SLOT, **figures)

    assert replaced(harness) == [NEXT]


def test_nothing_is_replaced_during_the_stop() -> None:
    harness = SupervisorHarness().begin(1)
    harness.actor._stopping = True
    harness.tick(1.3 * 21_600).ticks(3)

    assert replaced(harness) == []


# ----------------------------------------------------------------------- canary


def busy(harness: SupervisorHarness, name: str, busiest: Busiest) -> None:
    well(harness, name, busy=busiest)


def trading(harness: SupervisorHarness, seconds: int, **busiest: str) -> None:
    """Let time pass in which these connections, a0 to a2, trade these tokens alone."""
    for _ in range(seconds):
        harness.tick()
        for number in range(3):
            token = busiest.get(f"a{number}")
            busy(harness, f"a-000{number}", ((TokenId(token), 7),) if token else ())


def test_a_canary_that_trades_no_more_is_changed_for_one_that_does() -> None:
    harness = SupervisorHarness().begin(1, 2, 3)
    trading(harness, 62, a1="21")
    assert harness.ref(SLOT).of(ChangeCanary) == [ChangeCanary(token=TokenId("21"))]
    trading(harness, 62, a2="31")

    assert harness.ref(SLOT).of(ChangeCanary)[-1] == ChangeCanary(token=TokenId("31"))


def test_a_canary_whose_market_is_released_is_changed_at_once() -> None:
    harness = SupervisorHarness().begin(1, 2, 3)
    trading(harness, 62, a1="21")
    trading(harness, 2, a1="21", a2="31")
    harness.tell(removed(2))
    trading(harness, 2, a2="31")

    assert harness.ref(SLOT).of(ChangeCanary)[-1] == ChangeCanary(token=TokenId("31"))


def test_a_canary_stays_while_nothing_trades() -> None:
    harness = SupervisorHarness().begin(1, 2, 3)
    trading(harness, 62, a1="21")
    trading(harness, 200)

    assert len(harness.ref(SLOT).of(ChangeCanary)) == 1


def test_the_connection_for_announcements_begins_with_a_token_once_there_is_one() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end("lifecycle", "closed_1008")
    harness.ticks(3)

    assert [spec.canary for spec in harness.specs if spec.lifecycle] == [(), ("11",)]


def test_a_new_connection_carries_a_busy_token_of_another_as_its_canary() -> None:
    harness = SupervisorHarness().begin(1, 2)
    assert [spec.canary for spec in harness.specs] == [(), (), ()]
    harness.mute.add("a-0001")
    busy(harness, "a-0001", ((TokenId("21"), 7),))
    harness.end(SLOT, "reset")
    harness.ticks(3)

    assert (harness.specs[-1].name, harness.specs[-1].canary) == (SLOT, ("21",))


def test_the_only_busy_connection_has_no_canary_of_its_own() -> None:
    harness = SupervisorHarness().begin(1)
    busy(harness, SLOT, ((TokenId("11"), 7),))
    harness.end(SLOT, "reset")
    harness.ticks(3)

    assert harness.specs[-1].canary == ()


# ---------------------------------------------------------------------- silence


def heard_at(harness: SupervisorHarness, names: tuple[str, ...], at: float) -> None:
    for name in names:
        well(harness, name, last_data_at=at)


def test_of_a_silent_exchange_all_are_informed_and_none_is_replaced() -> None:
    harness = SupervisorHarness().begin(1, 2, 3, 4)
    names = tuple(f"a-{number:04}" for number in range(4))
    harness.mute.update(names)
    at = harness.now
    for _ in range(53):
        harness.tick()
        heard_at(harness, names, at)
    assert not harness.ref(SLOT).of(Tick)[-1].exchange_silent
    for _ in range(34):
        harness.tick()
        heard_at(harness, names, at)

    assert harness.ref(SLOT).of(Tick)[-1].exchange_silent
    assert [name for name in names if retired(harness, name)] == []
    trials = replaced(harness)
    assert 1 <= len(trials) <= 3
    heard_at(harness, names, harness.now)
    harness.tick()
    assert not harness.ref("a-0003").of(Tick)[-1].exchange_silent
    harness.ticks(2)
    assert [retired(harness, name) for name in trials] == [["abandoned"]] * len(trials)
    assert [name for name in names if retired(harness, name)] == []


def silent_all(count: int, *, redundancy: int = 2) -> tuple[SupervisorHarness, list[str], float]:
    """Return a harness in which all connections have been silent for 54 s, and since when."""
    harness = SupervisorHarness(redundancy=redundancy).begin(*range(1, count + 1))
    names = [f"{feed}-{n:04}" for feed in "ab"[:redundancy] for n in range(count)]
    harness.mute.update(names)
    at = harness.now
    for _ in range(54):
        harness.tick()
        heard_at(harness, tuple(names), at)
    return harness, names, at


def own_token(harness: SupervisorHarness, name: str) -> TokenId:
    return next(spec.tokens[0] for spec in harness.specs if spec.name == name)


@pytest.mark.parametrize("redundancy", [1, 2])
def test_when_a_new_one_receives_what_old_ones_do_not_all_silent_ones_are_replaced(
    redundancy: int,
) -> None:
    """20 sockets fell silent for good: within the silence and 30 s."""
    harness, names, at = silent_all(20 // redundancy, redundancy=redundancy)
    harness.ticks(3)
    fresh = replaced(harness)[0]
    token, victim = own_token(harness, fresh), fresh.partition(".")[0]
    ended: dict[str, float] = {}
    for _ in range(60):
        for name in names:
            if name not in ended:
                heard_at(harness, (name,), at)
                shown = name == victim and harness.ref(name).of(HeardElsewhere)
                if shown or "frozen" in retired(harness, name):
                    harness.end(name, "frozen")
                    ended[name] = harness.now
            else:
                heard_at(harness, (name,), harness.now)
        heard = ((token, 1_790_000_060_000),)
        well(harness, fresh, last_data_at=harness.now, heard=heard)
        harness.tick()

    assert set(ended) == set(names)
    assert max(ended.values()) - at <= 60 + 30
    assert harness.health().assumptions[Assumption.OLD_SOCKETS_DIE].total >= len(names) - 1
    order = [name for name in ended if name != victim]
    assert order == sorted(order)


def test_one_that_snapshots_show_to_be_frozen_is_counted_before_all_are_silent() -> None:
    harness = SupervisorHarness(redundancy=2).begin(1)
    serve(harness, ("a-0000", "b-0000"), 3)
    harness.end("a-0000", "frozen")
    harness.end("b-0000", "reset")
    harness.tick()
    assert harness.health().assumptions[Assumption.OLD_SOCKETS_DIE].total == 1


def test_what_a_silent_connection_should_have_received_is_shown_to_it() -> None:
    harness = SupervisorHarness(redundancy=2).begin(1, 2)
    names = ("a-0000", "a-0001", "b-0000", "b-0001")
    harness.mute.update(names)
    at = harness.now
    for _ in range(60):
        harness.tick()
        heard_at(harness, names[1:], harness.now)
        well(harness, "a-0000", last_data_at=at)
    token = own_token(harness, "a-0000")
    other = next(name for name in names[2:] if own_token(harness, name) == token)
    well(harness, other, last_data_at=harness.now, heard=((token, 5),))
    for _ in range(4):
        harness.tick()
        heard_at(harness, names[1:], harness.now)
        well(harness, "a-0000", last_data_at=at)

    told = harness.ref("a-0000").of(HeardElsewhere)
    assert told
    assert told[0] == HeardElsewhere(trades=((token, 5),))
    assert [harness.ref(name).of(HeardElsewhere) for name in names[1:]] == [[], [], []]


def test_the_connection_for_announcements_is_shown_what_its_canary_traded() -> None:
    harness = SupervisorHarness().begin(1, 2, 3)
    harness.mute.add("lifecycle")
    at = harness.now
    for _ in range(62):
        trading(harness, 1, a1="21")
        well(harness, "lifecycle", tokens=0, confirmed=0, last_data_at=at)
    canary = harness.ref("lifecycle").last(ChangeCanary).token
    well(harness, "a-0001", last_data_at=harness.now, heard=((canary, 5),))
    for _ in range(4):
        harness.tick()
        heard_at(harness, ("a-0000", "a-0001", "a-0002"), harness.now)

    assert harness.ref("lifecycle").of(HeardElsewhere)[0] == HeardElsewhere(trades=((canary, 5),))


def test_after_a_silence_feed_a_subscribes_again_first_then_feed_b_paced() -> None:
    harness = SupervisorHarness(redundancy=2).begin(*range(1, 9))
    names = [f"{feed}-{n:04}" for feed in "ab" for n in range(8)]
    harness.mute.update(names)
    renewed: dict[str, float] = {}
    for _ in range(8):
        for name in names:
            told = bool(harness.ref(name).of(Renew))
            well(harness, name, last_data_at=harness.now, awaits_renewal=not told)
            if told:
                renewed.setdefault(name, harness.now)
        harness.tick()

    assert list(renewed) == names
    times = [renewed[name] for name in names]
    assert times == sorted(times)
    assert max(times[:8]) < min(times[8:])


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
    harness = SupervisorHarness(redundancy=2).begin(1)
    harness.tell(TradesMissed(missed=(MissedTrade(a_trade(1), ("b-0000",)),)))

    assert harness.ref("a-0000").of(RecheckCoverage) == [RecheckCoverage(trades=(a_trade(1),))]
    assert harness.ref("b-0000").of(RecheckCoverage) == []


def test_trades_of_markets_that_left_the_plan_are_rechecked_by_none() -> None:
    harness = SupervisorHarness(redundancy=2).begin(1)
    harness.tell(TradesMissed(missed=(MissedTrade(a_trade(2), ("b-0000",)),)))

    assert harness.ref("a-0000").of(RecheckCoverage) == []


# --------------------------------------------------------------------- overload


def test_the_busiest_market_of_an_overloaded_connection_gets_its_own() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1, 2, 3)
    busy(harness, SLOT, ((TokenId("22"), 90), (TokenId("11"), 3)))
    harness.end(SLOT, "closed_1013")
    harness.ticks(5)
    slots = {spec.name: spec.tokens for spec in harness.specs}

    assert slots[SLOT] == ("11", "12", "31", "32")
    assert slots["a-0001"] == ("21", "22")


def test_the_plan_does_not_change_during_the_stop() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1, 2)
    busy(harness, SLOT, ((TokenId("22"), 90),))
    harness.tell(StopListening())
    harness.end(SLOT, "closed_1013")
    harness.ticks(3)

    assert harness.started().count("a-0001") == 0
    assert "a-0001" not in harness.children.by_id


def test_a_connection_with_one_market_cannot_carry_less() -> None:
    harness = SupervisorHarness().begin(1)
    busy(harness, SLOT, ((TokenId("11"), 90),))
    harness.end(SLOT, "closed_1013")
    harness.ticks(5)

    assert harness.incarnation(SLOT) == 2
    assert [name for name in harness.started() if name[1:2] == "-"] == [SLOT, SLOT]


# -------------------------------------------------------------------- resolution


def test_a_connection_whose_markets_have_all_resolved_waits_until_it_has_tokens() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.end(SLOT, "all_resolved", retry_after_s=300.0)
    harness.ticks(200)
    assert harness.incarnation(SLOT) == 1
    harness.tell(added(2))
    harness.ticks(2)

    assert harness.incarnation(SLOT) == 2
    assert harness.specs[-1].tokens == ("11", "12", "21", "22")


def test_a_connection_that_waits_for_other_reasons_is_not_woken() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.end(SLOT, "http_429", retry_after_s=300.0)
    harness.ticks(10)
    harness.tell(added(2))
    harness.ticks(10)

    assert harness.incarnation(SLOT) == 1


# ----------------------------------------------------------------- late trades


def test_what_is_late_on_one_connection_keeps_all_proofs_behind_for_ten_minutes() -> None:
    harness = SupervisorHarness().begin(1)
    harness.mute.add(SLOT)
    well(harness, SLOT, allowance_ms=4_000)
    harness.ticks(3)
    assert harness.ref("lifecycle").last(Tick).allowance_ms == 4_000
    harness.end(SLOT, "reset")
    harness.tick(590)
    harness.ticks(3)
    assert harness.ref("lifecycle").last(Tick).allowance_ms == 4_000
    harness.tick(20)
    harness.ticks(3)
    assert harness.ref("lifecycle").last(Tick).allowance_ms == 0


def test_a_connection_on_which_nothing_is_late_any_more_keeps_no_proof_behind() -> None:
    harness = SupervisorHarness().begin(1)
    well(harness, SLOT, allowance_ms=4_000)
    well(harness, SLOT, allowance_ms=1_000)
    harness.ticks(3)
    assert harness.ref("lifecycle").last(Tick).allowance_ms == 0
