from datetime import UTC, datetime, timedelta
from decimal import Decimal

from actors.catalog.discovery import (
    LOOKUP_IDS,
    RECALL_S,
    STARVED_SWEEP_S,
    SWEEP_S,
    Discovery,
    Lookup,
    Turn,
)
from actors.catalog.universe import Filters
from actors.model.trade import ConditionId

WALL = datetime(2026, 10, 3, 4, tzinfo=UTC)


def cid(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def begun(**filters: object) -> Discovery:
    agenda = Discovery(Filters(**filters), 30.0)  # type: ignore[arg-type]
    agenda.begin(0.0, WALL)
    return agenda


def at(agenda: Discovery, now: float) -> bool:
    return agenda.tick(now, WALL + timedelta(seconds=now))


def sweep_through(agenda: Discovery, *, starved: bool = False) -> None:
    """Answer the sweep that is under way with one page."""
    question = agenda.next()
    assert isinstance(question, Turn)
    assert question.sweep
    question.walk.turn(None)
    assert agenda.swept(sated=False)
    agenda.sweep_ended((), starved=starved)


def test_the_first_sweep_begins_at_once_and_the_next_half_an_hour_later() -> None:
    agenda = begun()
    assert at(agenda, 0.0)
    sweep_through(agenda)
    assert agenda.swept_at == 0.0
    assert not at(agenda, SWEEP_S - 1)
    assert at(agenda, SWEEP_S)


def test_free_places_bring_the_next_sweep_sooner() -> None:
    agenda = begun(max_assets=10, min_volume=Decimal(0))
    at(agenda, RECALL_S)
    sweep_through(agenda, starved=True)
    assert at(agenda, RECALL_S + STARVED_SWEEP_S)


def test_with_a_limit_the_first_sweep_waits_for_the_database_but_not_for_ever() -> None:
    assert not at(begun(max_assets=10), RECALL_S - 1)
    assert at(begun(max_assets=10), RECALL_S)
    agenda = begun(max_assets=10)
    agenda.recalled()
    assert at(agenda, 1.0)


def test_a_sweep_under_way_is_not_begun_again() -> None:
    agenda = begun()
    assert at(agenda, 0.0)
    assert not at(agenda, SWEEP_S * 2)


def test_the_announced_come_first_then_the_latest_then_the_vanished_then_the_sweep() -> None:
    agenda = begun()
    at(agenda, 0.0)
    sweep_through(agenda)
    agenda.sweep_ended([cid(9)], starved=False)
    at(agenda, SWEEP_S)
    agenda.announced.add(cid(1), SWEEP_S)
    order = []
    while (question := agenda.next()) is not None:
        if isinstance(question, Lookup):
            order.append("vanished" if question.closed else "announced")
            agenda.looked_up(question, ())
        else:
            order.append("sweep" if question.sweep else "latest")
            question.walk.turn(None)
            if question.sweep:
                agenda.swept(sated=False)
            else:
                agenda.polled(())
    assert order == ["announced", "latest", "vanished", "sweep"]


def test_asking_what_is_next_changes_nothing() -> None:
    agenda = begun()
    at(agenda, 0.0)
    agenda.announced.add(cid(1), 0.0)
    assert agenda.next() == agenda.next()


def test_look_ups_of_the_announced_are_a_second_apart_so_that_they_gather() -> None:
    agenda = begun(markets=frozenset({"none"}))
    for number in range(LOOKUP_IDS + 5):
        agenda.announced.add(cid(number), 0.0)
    first = agenda.next()
    assert isinstance(first, Lookup)
    assert len(first.ids) == LOOKUP_IDS
    agenda.looked_up(first, ())
    assert agenda.next() is None
    at(agenda, 1.0)
    second = agenda.next()
    assert isinstance(second, Lookup)
    assert len(second.ids) == 5


def test_whatever_fails_the_others_get_their_turn() -> None:
    agenda = begun()
    at(agenda, 0.0)
    sweep_through(agenda)
    agenda.sweep_ended([cid(9)], starved=False)
    at(agenda, SWEEP_S)
    agenda.announced.add(cid(1), SWEEP_S)
    for _ in range(3):
        question = agenda.next()
        assert question is not None
        assert not (isinstance(question, Turn) and question.sweep)
        agenda.failed(question)
    last = agenda.next()
    assert isinstance(last, Turn)
    assert last.sweep


def test_a_failed_poll_begins_again_from_the_same_mark() -> None:
    agenda = begun(markets=frozenset())
    at(agenda, 30.0)
    first = agenda.next()
    assert isinstance(first, Turn)
    agenda.failed(first)
    at(agenda, 60.0)
    second = agenda.next()
    assert isinstance(second, Turn)
    assert not second.sweep
    assert second.walk.params == first.walk.params


def test_a_sated_sweep_is_over() -> None:
    agenda = begun(max_assets=2)
    at(agenda, RECALL_S)
    question = agenda.next()
    assert isinstance(question, Turn)
    question.walk.turn("more")
    assert agenda.swept(sated=True)
    assert agenda.next() is None
