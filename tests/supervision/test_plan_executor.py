"""The plan carried out: which messages are sent, and what is journalled before."""

from random import Random

import msgspec
import pytest

from actors.messages import (
    Retire,
    StopListening,
    Subscribe,
    Tick,
    UniverseChanged,
    Unsubscribe,
)
from actors.model import facts
from actors.model.connection import ALL_RESOLVED
from actors.model.trade import TokenId
from tests.actor_harness import (
    SLOT,
    SupervisorHarness,
    added,
    connection_report,
    market,
    removed,
)
from tests.fakes_box import FakeRef


def journalled(harness: SupervisorHarness) -> list[tuple[str, tuple[TokenId, ...]]]:
    """Return the journalled facts about wanted and unwanted tokens, in order."""
    found = []
    for body in harness.journal.bodies.values():
        match facts.decode(body):
            case facts.TokensWanted(tokens=tokens):
                found.append(("want", tokens))
            case facts.TokensUnwanted(tokens=tokens):
                found.append(("unwant", tokens))
    return found


def orders(ref: FakeRef) -> list[object]:
    return [message for message in ref.received if not isinstance(message, Tick)]


def slots_in(harness: SupervisorHarness) -> list[str]:
    """Return the slots that have a connection."""
    names = [each.id for each in harness.health().connections.each]
    return sorted(name for name in names if name[1:2] == "-")


def test_tokens_are_journalled_as_wanted_before_any_connection_listens() -> None:
    harness = SupervisorHarness().tick()
    before = harness.started()
    harness.tell(added(1))

    assert journalled(harness) == [("want", ("11", "12"))]
    assert harness.started() == before


def test_tokens_are_journalled_as_wanted_before_a_running_connection_is_sent_them() -> None:
    harness = SupervisorHarness(per_connection=4).begin(1)
    journalled_then: list[int] = []
    harness.ref(SLOT).on_tell = lambda: journalled_then.append(len(journalled(harness)))
    harness.tell(added(2))

    assert journalled_then == [2]


def test_connections_of_new_slots_start_a_few_per_tick() -> None:
    harness = SupervisorHarness(starts_per_tick=2).tick().tick()
    harness.tell(added(*range(1, 8)))
    counts = [len(harness.tick(0.25).specs) for _ in range(5)]

    assert counts == [3, 5, 7, 8, 8]


def test_a_slot_that_is_full_is_followed_by_another_one() -> None:
    harness = SupervisorHarness().begin(1, 2)

    assert [spec.tokens for spec in harness.specs[1:]] == [("11", "12"), ("21", "22")]


def test_a_running_connection_is_sent_more_tokens_and_others_are_not() -> None:
    harness = SupervisorHarness(per_connection=4).begin(1, 2, 3)
    harness.tell(added(4))

    assert orders(harness.ref("a-0001")) == [Subscribe(tokens=market(4).token_ids)]
    assert orders(harness.ref(SLOT)) == []


def test_a_connection_that_starts_later_takes_its_tokens_as_they_are_then() -> None:
    harness = SupervisorHarness(per_connection=6).tick().tick()
    harness.tell(added(1, 2), added(3), removed(2))
    harness.tick()

    assert harness.specs[-1].tokens == ("11", "12", "31", "32")
    assert orders(harness.ref(SLOT)) == []


def test_a_connection_that_restarts_takes_its_tokens_as_they_are_then() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.end(SLOT, "disconnected", retry_after_s=5)
    harness.tick()
    harness.tell(added(2))
    harness.ticks(6)

    assert harness.specs[-1].tokens == ("11", "12", "21", "22")
    assert orders(harness.ref(SLOT)) == []


def test_new_markets_start_a_connection_again_whose_markets_had_all_resolved() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.end(SLOT, ALL_RESOLVED, retry_after_s=300)
    harness.ticks(5)
    harness.tell(added(2))
    harness.ticks(2)

    assert harness.specs[-1].tokens == ("11", "12", "21", "22")


def test_new_markets_that_come_while_such_an_end_is_not_known_yet_start_it_at_once() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.tell(added(2))  # the exchange has closed the socket already
    harness.end(SLOT, ALL_RESOLVED, retry_after_s=300)
    harness.ticks(2)

    assert harness.specs[-1].tokens == ("11", "12", "21", "22")
    assert harness.incarnation(SLOT) == 2


def test_without_new_markets_such_a_connection_waits() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.tell(added(2))
    harness.end(SLOT, ALL_RESOLVED, retry_after_s=300)
    harness.ticks(2)
    harness.end(SLOT, ALL_RESOLVED, retry_after_s=300)
    harness.ticks(200)

    assert harness.incarnation(SLOT) == 2


def test_a_market_that_is_removed_is_unsubscribed_where_it_was() -> None:
    harness = SupervisorHarness(per_connection=4).begin(1, 2, 3)
    harness.tell(removed(1))

    assert orders(harness.ref(SLOT)) == [
        Unsubscribe(tokens=market(1).token_ids, cause="released", since_ns=harness.wall_ns)
    ]
    assert orders(harness.ref("a-0001")) == []
    assert journalled(harness)[-1] == ("unwant", ("11", "12"))


def test_the_connection_of_an_empty_slot_listens_to_the_end_of_its_tokens_and_retires() -> None:
    harness = SupervisorHarness().begin(1, 2)
    harness.tell(removed(1))
    ref = harness.ref(SLOT)

    assert orders(ref) == [
        Unsubscribe(tokens=market(1).token_ids, cause="released", since_ns=harness.wall_ns),
        Retire(reason="released"),
    ]
    assert [line.id for line in harness.health().connections.each] == ["a-0001", "lifecycle"]


def test_one_that_retires_receives_the_time_until_it_ends_and_is_not_restarted() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tell(removed(1))
    harness.ref(SLOT).clear()
    harness.tick()
    assert harness.ref(SLOT).of(Tick)

    harness.end(SLOT, "released")
    harness.ticks(100)
    assert harness.incarnation(SLOT) == 1
    assert harness.noted(SLOT)[-1] == ("disconnected", "released")


def test_a_surplus_slot_is_emptied_while_the_other_feed_listens_to_its_tokens() -> None:
    harness = SupervisorHarness(per_connection=10, redundancy=2).begin(*range(1, 11))
    harness.tell(removed(*range(1, 5), *range(7, 11)))
    assert slots_in(harness) == ["a-0000", "a-0001", "b-0000"]

    harness.ticks(60)
    assert slots_in(harness) == ["a-0001", "b-0000"]
    assert Subscribe(tokens=market(5).token_ids) in orders(harness.ref("a-0001"))
    (unsubscribed, retired) = orders(harness.ref("a-0000"))[-2:]
    assert isinstance(unsubscribed, Unsubscribe)
    assert (unsubscribed.tokens, retired) == (market(5).token_ids, Retire(reason="released"))


def test_with_one_feed_no_market_moves() -> None:
    harness = SupervisorHarness(per_connection=10).begin(*range(1, 11))
    harness.tell(removed(*range(1, 5), *range(7, 11)))
    harness.ticks(180)
    assert slots_in(harness) == ["a-0000", "a-0001"]


def test_a_slot_that_closes_before_its_connection_starts_never_has_one() -> None:
    harness = SupervisorHarness().tick().tick()
    harness.tell(added(1), removed(1))
    harness.ticks(3)

    assert SLOT not in harness.started()
    assert journalled(harness) == [("want", ("11", "12")), ("unwant", ("11", "12"))]


def test_tokens_that_only_an_earlier_process_knew_are_journalled_as_unwanted() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tell(UniverseChanged(added=(), removed=(), unwanted=(TokenId("91"), TokenId("92"))))

    assert journalled(harness)[-1] == ("unwant", ("91", "92"))


def test_a_market_that_is_added_again_changes_nothing() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tell(added(1))

    assert len(journalled(harness)) == 1
    assert orders(harness.ref(SLOT)) == []


def test_many_tokens_are_journalled_in_records_of_a_thousand() -> None:
    harness = SupervisorHarness(per_connection=500).tick()
    harness.tell(added(*range(1, 1_202)))

    assert [len(tokens) for _, tokens in journalled(harness)] == [1_000, 1_000, 402]


def test_facts_wait_in_order_until_the_journal_has_space() -> None:
    harness = SupervisorHarness(per_connection=4).begin(1)
    harness.journal.full = True
    harness.tell(added(2), removed(1), added(3))
    harness.ticks(3)
    assert len(journalled(harness)) == 1

    harness.journal.full = False
    harness.tick()
    assert journalled(harness)[1:] == [
        ("want", ("21", "22")),
        ("unwant", ("11", "12")),
        ("want", ("31", "32")),
    ]


def test_the_universe_is_left_alone_while_stopping() -> None:
    harness = SupervisorHarness(per_connection=4).begin(1)
    harness.tell(StopListening(), added(2))

    assert len(journalled(harness)) == 1


def listened(harness: SupervisorHarness) -> dict[str, list[TokenId]]:
    """Return the tokens of each running connection: those at its start and all changes since."""
    found = {}
    starts = [(name, ref) for name, ref in harness.starts if name in harness.children.by_id]
    running = {name: ref for name, ref in starts if name[1:2] == "-" and ref.alive}
    specs = {spec.name: spec.tokens for spec in harness.specs}
    for name, ref in running.items():
        tokens = dict.fromkeys(specs[name])
        for message in ref.received:
            if isinstance(message, Subscribe):
                tokens.update(dict.fromkeys(message.tokens))
            elif isinstance(message, Unsubscribe):
                for token in message.tokens:
                    del tokens[token]
        if not ref.of(Retire):
            found[name] = sorted(tokens)
    return found


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("seed", range(5))
def test_after_any_changes_and_deaths_connections_listen_to_what_is_planned(
    seed: int,
) -> None:
    chance = Random(seed)
    harness = SupervisorHarness(per_connection=6, starts_per_tick=2).begin()
    wanted: set[int] = set()
    for _ in range(150):
        number = chance.randrange(20)
        if chance.random() < 0.5:
            harness.tell(added(number))
            wanted.add(number)
        elif number in wanted:
            harness.tell(removed(number))
            wanted.discard(number)
        slots = [name for name in listened(harness) if chance.random() < 0.1]
        for name in slots:
            harness.end(name, "disconnected", retry_after_s=chance.randrange(5))
        for name, ref in list(harness.starts):
            if ref.alive and ref.of(Retire):
                harness.end(name, "released")
        harness.tick(chance.choice((0.25, 1.0)))
    harness.ticks(400)

    assert sorted(t for tokens in listened(harness).values() for t in tokens) == sorted(
        token for number in wanted for token in market(number).token_ids
    )
    assert harness.fatal == []


@pytest.mark.parametrize("reason", ["stalled_frame", "too_big"])
def test_after_a_frame_that_did_not_arrive_smaller_ones_are_asked_for(reason: str) -> None:
    harness = SupervisorHarness(redundancy=2).begin(1)
    for _ in range(6):
        harness.end(SLOT, reason)
        harness.ticks(70)
    harness.end(SLOT, "reset")
    harness.ticks(70)
    sizes = [spec.tokens_at_once for spec in harness.specs if spec.name == SLOT]
    others = {spec.tokens_at_once for spec in harness.specs if spec.name != SLOT}

    assert sizes == [100, 50, 25, 12, 6, 5, 5, 5]
    assert others == {100}


@pytest.mark.parametrize(
    ("reason", "unserved", "sizes"),
    [
        ("closed_1008", True, [100, 25, 25, 25]),
        ("reset", True, [100, 25, 25, 25]),
        ("dead_transport", True, [100, 100, 100, 100]),
        ("closed_1008", False, [100, 100, 100, 100]),
    ],
)
def test_one_that_the_exchange_ends_before_any_data_names_fewer_tokens_at_once(
    reason: str, unserved: bool, sizes: list[int]
) -> None:
    harness = SupervisorHarness().begin(1)
    if unserved:
        harness.unserved.add(SLOT)
        harness.end(SLOT, "dns")  # the first one was served
        harness.ticks(70)
    for _ in range(3):
        harness.end(SLOT, reason)
        harness.ticks(70)

    found = [spec.tokens_at_once for spec in harness.specs if spec.name == SLOT]
    assert found[-4:] == sizes


def test_one_that_got_all_its_books_lets_the_next_ask_for_twice_as_many_at_once() -> None:
    harness = SupervisorHarness().begin(1)

    def got(confirmed: int) -> None:
        number, epoch = harness.incarnation(SLOT), harness.epoch(SLOT)
        figures = {"tokens": 2, "confirmed": confirmed}
        for _ in range(5):
            harness.tell(connection_report(SLOT, number, "listening", epoch, **figures))

    harness.end(SLOT, "stalled_frame")
    harness.ticks(70)
    harness.end(SLOT, "stalled_frame")
    for confirmed in (1, 2, 2, 2):
        harness.ticks(70)
        got(confirmed)
        harness.end(SLOT, "dns")
    harness.ticks(70)
    sizes = [spec.tokens_at_once for spec in harness.specs if spec.name == SLOT]

    assert sizes == [100, 50, 25, 25, 50, 100, 100]


def test_a_market_that_was_overlooked_is_journalled_with_the_cause_before_it_is_wanted() -> None:
    harness = SupervisorHarness().tick()
    change = added(1, 2)
    late = ((change.added[1].condition_id, 5_000_000_000),)
    harness.tell(msgspec.structs.replace(change, overlooked=late))

    found = [facts.decode(body) for body in harness.journal.bodies.values()]
    tokens = market(2).token_ids
    first = found.index(facts.TokensWanted(at_ns=5_000_000_000, tokens=tokens))
    assert found[first + 1 : first + 3] == [
        facts.TokensConfirmed(facts.NO_EPOCH, 5_000_000_000, tokens),
        facts.TokensReleased(facts.NO_EPOCH, 5_000_000_000, tokens, "not_discovered"),
    ]
    assert journalled(harness)[-1] == ("want", ("11", "12", "21", "22"))


def test_a_market_that_is_watched_already_was_not_overlooked() -> None:
    harness = SupervisorHarness().begin(2)
    change = added(2)
    late = ((change.added[0].condition_id, 5_000_000_000),)
    harness.tell(msgspec.structs.replace(change, overlooked=late))

    assert journalled(harness) == [("want", ("21", "22"))]
