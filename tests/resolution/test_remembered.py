"""Promise: what the database remembers comes back, and what it rejected is made good."""

import msgspec

from actors.messages import (
    ConflictCleared,
    ConflictsRestored,
    EvidenceRestored,
    MarketResolved,
    RequestConflicts,
    RequestUnresolved,
    ResolutionConflict,
    StoreOpened,
    TicketsStored,
    UnresolvedRestored,
)
from actors.model.market import ContradictionKind, StoredEvidence
from actors.model.trade import ConditionId
from actors.resolution.clock import DEFAULT_HOLD_S
from actors.resolution.memory import CONFLICTS_S
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket
from tests.resolution.test_actor import ENDED, HOLD_S, POLL_S, Harness, parsed, watching

OUTCOME = ContradictionKind.OUTCOME
LONG_AGO = WALL_MS - 30 * 86_400_000


def test_a_market_that_ended_before_a_restart_gets_its_label_however_long_ago_that_was() -> None:
    market = FakeMarket(1, end_ms=LONG_AGO)
    market.resolve(0, closed_ms=LONG_AGO)
    harness = Harness(FakePolymarket(), chain=False)
    harness.web.add(market)
    harness.tick()
    (asked,) = harness.writer.of(RequestUnresolved)
    assert asked.after == ""
    harness.actor.on_receive(EvidenceRestored(evidence=StoredEvidence()))
    harness.actor.on_receive(UnresolvedRestored(markets=(parsed(market),), until=None))
    harness.run(HOLD_S + 3 * POLL_S)
    assert len(harness.resolutions()) == 1


def test_steps_follow_each_other_and_another_pass_is_made_when_the_database_opens() -> None:
    harness = watching()
    harness.tick()
    until = ConditionId("0x5")
    harness.actor.on_receive(UnresolvedRestored(markets=(), until=until))
    harness.tick()
    harness.actor.on_receive(UnresolvedRestored(markets=(), until=None))
    harness.run(600)
    assert [each.after for each in harness.writer.of(RequestUnresolved)] == ["", until]
    harness.actor.on_receive(StoreOpened(server="x"))
    harness.tick()
    assert [each.after for each in harness.writer.of(RequestUnresolved)][2:] == [""]


def test_what_is_contradicted_is_asked_once_a_minute_and_when_the_database_opens() -> None:
    harness = watching()
    harness.tick()
    harness.run(CONFLICTS_S - 20)  # its first tick was a while ago
    assert len(harness.writer.of(RequestConflicts)) == 1
    harness.run(20)
    assert len(harness.writer.of(RequestConflicts)) == 2
    harness.actor.on_receive(StoreOpened(server="x"))
    harness.tick()
    assert len(harness.writer.of(RequestConflicts)) == 3


def test_a_contradiction_of_an_earlier_process_is_cleared_when_its_sources_agree() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    key = (market.condition_id, OUTCOME)
    harness.actor.on_receive(ConflictsRestored(total=1, open=(key,), rechecks=()))
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    (cleared,) = [each.clearance for each in harness.writer.of(ConflictCleared)]
    assert (cleared.condition_id, cleared.kind) == key


def test_a_contradiction_that_a_person_has_acknowledged_is_not_opened_again() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0, sources="g")
    market.resolve(1, sources="d")
    harness.run(2 * POLL_S)
    key = (market.condition_id, OUTCOME)
    harness.actor.on_receive(ConflictsRestored(total=1, open=(key,), rechecks=()))
    harness.actor.on_receive(ConflictsRestored(total=0, open=(), rechecks=()))
    harness.run(2 * POLL_S)
    assert len(harness.writer.of(ResolutionConflict)) == 1
    assert not harness.actor._cases.conflicts.is_open(*key)


def test_a_resolution_without_evidence_in_the_database_is_decided_again_and_settles_nothing() -> (
    None
):
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    (first,) = harness.writer.of(MarketResolved)
    rejected = TicketsStored(tickets=(first.ticket,), unproven=(market.condition_id,))
    harness.actor.on_receive(rejected)
    assert harness.settled() == []
    harness.run(HOLD_S + 2 * POLL_S)
    again = harness.writer.of(MarketResolved)[1:]
    assert [each.resolution.winning_token_id for each in again] == [
        first.resolution.winning_token_id
    ]
    harness.store_all()
    assert harness.settled() == [market.condition_id]


def test_the_hold_is_longer_than_any_cache_says_that_it_keeps_answers() -> None:
    for max_age_s, hold_s in ((0.0, DEFAULT_HOLD_S), (600.0, 630.0), (86_400.0, 900.0)):
        market = FakeMarket(1, end_ms=ENDED)
        harness = Harness(FakePolymarket(), chain=False, hold_s=DEFAULT_HOLD_S)
        harness.web.add(market)
        harness.web.max_age_s = max_age_s
        harness.watch(market)
        market.resolve(0)
        harness.run(hold_s - 10)
        assert harness.resolutions() == []
        harness.run(10 + 2 * POLL_S)
        assert len(harness.resolutions()) == 1


def test_public_nodes_are_asked_where_they_may_decide_and_not_about_every_market() -> None:
    agreed, alone = FakeMarket(1, end_ms=ENDED), FakeMarket(2, end_ms=ENDED)
    web = FakePolymarket()
    web.public_nodes = True
    harness = Harness(web, chain=True)
    for market in (agreed, alone):
        web.add(market)
    harness.watch(agreed, alone)
    agreed.resolve(0)
    alone.resolve(1, sources="d")
    alone.listed = False
    harness.run(HOLD_S + 3 * POLL_S)
    assert web.times("chain") == 0
    harness.run(900)
    asked = [ids for name, ids in web.asked if name == "chain"]
    assert all(ids == (alone.condition_id,) for ids in asked[:1])
    assert {each.condition_id for each in harness.resolutions()} == {
        agreed.condition_id,
        alone.condition_id,
    }


def test_the_names_of_the_tokens_are_recorded_as_two_sources_tell_them() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    (resolution,) = harness.resolutions()
    assert [each.outcome for each in resolution.by_token] == ["Yes", "No"]
    assert {each.source for each in resolution.evidence} == set(resolution.sources)
    assert all(msgspec.json.decode(each.payload) for each in resolution.evidence)
