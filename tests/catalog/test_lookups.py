"""What the database lacks is looked up at Gamma, open or closed, and stored."""

from actors.catalog.lookups import CYCLE_S, FIRST_S, MAX_UNKNOWN, Review
from actors.messages import MarketsReviewed, MarketsSeen, RequestReview, UniverseChanged
from actors.model.trade import ConditionId
from tests.catalog.test_actor import Harness, watching, web_of
from tests.fakes_box import drain
from tests.fakes_http import FakeMarket, condition


def reviewed(harness: Harness, *unknown: ConditionId, until: ConditionId | None = None) -> None:
    harness.actor.on_receive(MarketsReviewed(unknown=unknown, until=until))
    drain(harness.actor)
    for _ in range(3):
        harness.tick()


def begun(**filters: object) -> Harness:
    harness = watching(web_of(1), **filters)  # type: ignore[arg-type]
    harness.tick()
    return harness


def asked(harness: Harness) -> list[ConditionId]:
    return [each.after for each in harness.writer.of(RequestReview)]


def test_a_market_that_began_and_ended_meanwhile_is_stored_and_its_outcome_looked_for() -> None:
    harness = begun()
    harness.web.add(FakeMarket(60, closed=True))
    reviewed(harness, condition(60))

    assert harness.writer.last(MarketsSeen).markets[0].condition_id == condition(60)
    assert harness.resolution.last(UniverseChanged).added[0].condition_id == condition(60)
    assert condition(60) not in harness.watched()


def test_one_that_is_still_open_is_watched() -> None:
    harness = begun()
    harness.web.add(FakeMarket(60))
    reviewed(harness, condition(60))

    assert condition(60) in harness.watched()
    assert condition(60) in harness.stored()


def test_one_that_the_filters_leave_out_is_stored_and_not_watched() -> None:
    harness = begun(tags=frozenset({"nba"}))
    harness.web.add(FakeMarket(60))
    reviewed(harness, condition(60))

    assert condition(60) in harness.stored()
    assert condition(60) not in harness.watched()


def test_what_was_not_asked_for_is_not_stored() -> None:
    harness = begun()
    harness.web.add(FakeMarket(60, closed=True))
    reviewed(harness, condition(61))

    assert condition(60) not in harness.stored()


def test_the_database_is_asked_range_by_range_after_the_start_and_once_an_hour() -> None:
    harness = begun()
    assert asked(harness) == []
    harness.tick(FIRST_S)
    assert asked(harness) == [""]

    harness.tick(30)
    assert asked(harness) == [""]  # it has other things to do
    harness.tick(31)
    assert asked(harness) == ["", ""]

    reviewed(harness, until=condition(5))
    assert asked(harness) == ["", "", condition(5)]

    reviewed(harness)
    harness.tick(CYCLE_S - 10)
    assert len(asked(harness)) == 3
    harness.tick(10)
    assert asked(harness)[3:] == [""]


def test_a_range_with_many_unknown_ones_leaves_gamma_time_for_them() -> None:
    review = Review()
    review.due(0)
    assert review.due(FIRST_S) == ""
    review.answered(FIRST_S, tuple(condition(each) for each in range(1_000)), condition(1_000))
    assert review.due(FIRST_S + 100) is None
    assert review.due(FIRST_S + 103) == condition(1_000)


def test_what_is_remembered_is_bounded_and_forgotten_at_the_next_cycle() -> None:
    review = Review()
    many = tuple(condition(each) for each in range(MAX_UNKNOWN + 10))
    review.answered(0, many, condition(1))
    review.answered(0, (condition(MAX_UNKNOWN + 11),), None)
    assert len(review.unknown) == MAX_UNKNOWN
    review.answered(0, (), None)
    assert review.unknown == set()
