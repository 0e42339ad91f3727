"""Promises: each source is asked about each market once a poll, in fair turns, in what it takes.

Faults: a source that is slow or away keeps markets from others; a market waits twice, or for
ever; stuck markets or rechecks keep new ones waiting; a state is judged after half of a poll.
"""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.market import Source
from actors.model.trade import ConditionId
from actors.resolution.polling import MOST_MARKETS, Request
from actors.resolution.queues import (
    LONGEST_POLL_S,
    DueMarket,
    EndedPoll,
    PollQueues,
    SourceQueue,
    Urgency,
)

GAMMA, CLOB, DATA, CHAIN = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN
ALL = (GAMMA, CLOB, DATA)
NEW, AGAIN, RECHECK, IDLE = Urgency
AWAY = SourceUnavailable("gone")
REJECTED = SourceUnavailable("HTTP 400", status=400)


def cid(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def ids(numbers: Iterable[int]) -> tuple[ConditionId, ...]:
    return tuple(map(cid, numbers))


def due(
    number: int, urgency: Urgency = NEW, *, clob: Urgency | None = None, v1: bool = True
) -> DueMarket:
    return DueMarket(condition_id=cid(number), urgency=urgency, on_chain=v1, clob=clob)


def queues(*numbers: int, sources: Iterable[Source] = (GAMMA, CLOB, DATA)) -> PollQueues:
    """Return queues in which these markets wait."""
    found = PollQueues(tuple(sources), known=ids(range(10_000)))
    for number in numbers:
        found.begin(due(number), 0.0, able=ALL)
    return found


def batch(found: PollQueues, source: Source) -> Request:
    request = found.next(source, MOST_MARKETS[source])
    assert request is not None
    return request


def rest(found: PollQueues, source: Source) -> list[tuple[ConditionId, ...]]:
    """Return the ids of all further requests to a source."""
    requests = []
    while (request := found.next(source, MOST_MARKETS[source])) is not None:
        requests.append(request.ids)
    return requests


# ------------------------------------------------------------------- one queue


def test_the_oldest_of_a_class_comes_first_and_each_once() -> None:
    queue = SourceQueue()
    for number in (3, 1, 2, 1, 3):
        queue.put(cid(number), NEW)
    assert len(queue) == 3
    assert queue.take(2) == ids((3, 1))
    assert queue.take(9) == ids((2,))
    assert queue.take(9) == ()


def test_half_of_each_batch_is_for_what_is_new_while_there_is_enough() -> None:
    queue = SourceQueue()
    for first, urgency in ((0, NEW), (1_000, AGAIN), (2_000, RECHECK)):
        for number in range(first, first + 100):
            queue.put(cid(number), urgency)
    taken = [int(each, 16) // 1_000 for each in queue.take(80)]
    assert [taken.count(kind) for kind in range(3)] == [40, 20, 20]


def test_a_source_that_takes_one_market_at_a_time_is_as_fair() -> None:
    queue = SourceQueue()
    for first, urgency in ((0, NEW), (1_000, AGAIN), (2_000, RECHECK)):
        for number in range(first, first + 10):
            queue.put(cid(number), urgency)
    taken = [int(queue.take(1)[0], 16) // 1_000 for _ in range(8)]
    assert taken == [0, 1, 0, 2, 0, 1, 0, 2]


def test_what_is_idle_is_taken_when_nothing_else_waits_and_alone() -> None:
    queue = SourceQueue()
    queue.put(cid(1), IDLE)
    queue.put(cid(2), RECHECK)
    assert queue.urgency is RECHECK
    assert queue.take(5) == ids((2,))
    assert queue.urgency is IDLE
    assert queue.take(5) == ids((1,))
    assert queue.urgency is None


def test_a_market_becomes_more_urgent_and_never_less() -> None:
    queue = SourceQueue()
    queue.put(cid(1), AGAIN)
    queue.put(cid(2), AGAIN)
    queue.put(cid(2), NEW)
    queue.put(cid(2), IDLE)
    assert (len(queue), queue.urgency) == (2, NEW)
    assert queue.take(1) == ids((2,))


def test_what_is_put_back_comes_first_and_what_is_removed_not_at_all() -> None:
    queue = SourceQueue()
    queue.put(cid(1), NEW)
    queue.put(cid(2), NEW, first=True)
    queue.put(cid(3), NEW)
    queue.remove(cid(1))
    queue.remove(cid(9))
    assert cid(1) not in queue
    assert queue.take(5) == ids((2, 3))


operations = st.lists(
    st.tuples(st.sampled_from(["put", "first", "take", "remove"]), st.integers(0, 8)), max_size=60
)


@given(operations, st.lists(st.sampled_from(Urgency), min_size=60, max_size=60))
def test_a_queue_holds_what_was_put_and_not_taken_whatever_is_done(
    steps: list[tuple[str, int]], classes: list[Urgency]
) -> None:
    queue, there = SourceQueue(), set[ConditionId]()
    for (what, number), urgency in zip(steps, classes, strict=False):
        if what == "take":
            taken = queue.take(number)
            assert len(set(taken)) == len(taken) <= number
            assert there >= set(taken)
            there -= set(taken)
        elif what == "remove":
            queue.remove(cid(number))
            there.discard(cid(number))
        else:
            queue.put(cid(number), urgency, first=what == "first")
            there.add(cid(number))
        assert len(queue) == len(there)
    left = set(queue.take(100)) | set(queue.take(100))  # the idle ones come after the others
    assert left == there


# ---------------------------------------------------------- what sources are asked


def test_what_gamma_does_not_find_among_the_closed_is_looked_for_among_the_open() -> None:
    found = queues(1, 2, 3)
    first = batch(found, GAMMA)
    assert (first.ids, first.closed) == (ids((1, 2, 3)), True)
    found.answered(first, ids((1,)), ALL)
    second = batch(found, GAMMA)
    assert (second.ids, second.closed) == (ids((2, 3)), False)
    found.answered(second, ids((2,)), ALL)
    assert rest(found, GAMMA) == []


def test_every_source_is_asked_in_batches_that_it_takes() -> None:
    found = queues(*range(70), sources=Source)
    assert [len(each) for each in rest(found, GAMMA)] == [50, 20]
    assert [len(each) for each in rest(found, DATA)] == [10] * 7
    assert [len(each) for each in rest(found, CHAIN)] == [20, 20, 20, 10]
    assert rest(found, CLOB) == []


def test_v2_markets_are_not_looked_for_on_the_chain() -> None:
    found = queues(sources=Source)
    found.begin(due(1, v1=False), 0.0, able=ALL)
    found.begin(due(2), 0.0, able=ALL)
    assert rest(found, CHAIN) == [ids((2,))]


def test_the_clob_is_asked_about_what_another_source_calls_final_once_a_poll() -> None:
    found = queues(1)
    assert found.next(CLOB, 1) is None
    found.ask_clob(cid(1), able=ALL)
    assert batch(found, CLOB).ids == ids((1,))
    found.ask_clob(cid(1), able=ALL)  # Gamma says so, too
    assert found.next(CLOB, 1) is None
    found.begin(due(1, clob=NEW), 60.0, able=ALL)
    assert batch(found, CLOB).ids == ids((1,))
    found.ask_clob(cid(1), able=ALL)
    assert found.next(CLOB, 1) is None


def test_what_is_final_by_a_late_answer_is_asked_of_the_clob() -> None:
    found = queues()
    found.ask_clob(cid(1), able=())
    assert batch(found, CLOB).ids == ids((1,))


def test_the_clob_is_asked_idly_about_what_ended_when_nothing_else_waits() -> None:
    found = queues()
    found.begin(due(1, clob=IDLE), 0.0, able=ALL)
    found.begin(due(2, AGAIN, clob=AGAIN), 0.0, able=ALL)
    assert found.urgency(CLOB) is AGAIN
    assert (batch(found, CLOB).ids, found.urgency(CLOB)) == (ids((2,)), IDLE)
    request = batch(found, CLOB)
    assert (request.ids, request.idle) == (ids((1,)), True)
    found.failed(request, AWAY, ALL)
    assert found.urgency(CLOB) is IDLE  # not more urgent for having failed


def test_a_market_that_is_due_again_waits_in_the_queue_of_a_slow_source_once() -> None:
    found = queues(1, 2)
    batch(found, DATA)
    for at in (60.0, 120.0, 180.0):
        found.begin(due(1, AGAIN), at, able=ALL)
        found.begin(due(2, AGAIN), at, able=ALL)
    assert found.waiting(GAMMA) == 2
    assert rest(found, GAMMA) == [ids((1, 2))]
    assert rest(found, DATA) == [ids((1, 2))]  # the answer under way may be older


def test_what_is_forgotten_is_asked_of_nobody() -> None:
    found = queues(1, 2)
    found.remove(cid(1))
    assert rest(found, GAMMA) == [ids((2,))]
    assert rest(found, DATA) == [ids((2,))]


# ------------------------------------------------------------------- failures


def test_a_rejected_batch_is_halved_down_to_the_market_that_is_why() -> None:
    found = queues(*range(8))
    asked, bad = [], cid(5)
    while (request := found.next(DATA, 8)) is not None:
        asked.append(request.ids)
        if bad in request.ids:
            found.failed(request, REJECTED, ALL)
        else:
            found.answered(request, request.ids, ALL)
    assert [len(each) for each in asked] == [8, 4, 4, 2, 1, 1, 2]
    assert sum(each == (bad,) for each in asked) == 1


def test_halves_of_what_gamma_rejected_ask_the_same_question() -> None:
    found = queues(1, 2)
    found.failed(batch(found, GAMMA), PayloadRejected("not JSON"), ALL)
    halves = [batch(found, GAMMA), batch(found, GAMMA)]
    assert [(each.ids, each.closed) for each in halves] == [(ids((1,)), True), (ids((2,)), True)]


def test_what_waits_in_a_half_does_not_wait_in_the_queue_as_well() -> None:
    found = queues(1, 2)
    request = batch(found, DATA)
    found.begin(due(1), 1.0, able=ALL)  # a hint while the request was under way
    found.failed(request, REJECTED, ALL)
    found.begin(due(2), 2.0, able=ALL)
    assert found.waiting(DATA) == 2
    assert rest(found, DATA) == [ids((1,)), ids((2,))]


def test_a_closed_market_is_asked_for_though_it_waits_to_be_looked_for_among_the_open() -> None:
    found = queues(1)
    found.answered(batch(found, GAMMA), (), ALL)
    found.begin(due(1), 1.0, able=ALL)
    assert [batch(found, GAMMA).closed for _ in range(2)] == [False, True]


@pytest.mark.parametrize("source", [GAMMA, DATA])
def test_what_a_source_that_is_away_was_asked_waits_for_it_in_front(source: Source) -> None:
    found = queues(1, 2, 3)
    request = found.next(source, 2)
    assert request is not None
    found.failed(request, AWAY, ALL)
    assert found.waiting(source) == 3
    assert rest(found, source) == [ids((1, 2, 3))]


def test_halves_of_a_source_that_goes_away_wait_as_well() -> None:
    found = queues(1, 2, 3, 4)
    found.failed(batch(found, DATA), REJECTED, ALL)
    found.failed(batch(found, DATA), AWAY, ALL)
    assert rest(found, DATA) == [ids((1, 2, 3, 4))]


def test_what_was_forgotten_meanwhile_is_not_put_back() -> None:
    found = PollQueues((DATA,), known=ids((2,)))
    for number in (1, 2):
        found.begin(due(number), 0.0, able=(DATA,))
    found.failed(batch(found, DATA), AWAY, ALL)
    assert rest(found, DATA) == [ids((2,))]


# ----------------------------------------------------------------- end of a poll


def test_a_poll_ends_when_every_source_that_was_asked_has_answered() -> None:
    found = queues(1)
    assert found.answered(batch(found, DATA), ids((1,)), ALL) == ()
    found.ask_clob(cid(1), able=ALL)
    closed = batch(found, GAMMA)
    assert found.answered(closed, (), ALL) == ()  # it may be open
    assert found.answered(batch(found, GAMMA), ids((1,)), ALL) == ()
    assert found.answered(batch(found, CLOB), (), ALL) == (EndedPoll(cid(1)),)


def test_a_poll_does_not_wait_for_a_source_that_is_not_able() -> None:
    found = queues()
    found.begin(due(1), 0.0, able=(DATA,))
    assert found.answered(batch(found, DATA), ids((1,)), (DATA,)) == (EndedPoll(cid(1)),)
    assert batch(found, GAMMA).ids == ids((1,))  # it is asked all the same


def test_a_poll_waits_for_sources_that_are_back_since_it_began() -> None:
    found = queues()
    found.begin(due(1, clob=IDLE), 0.0, able=())
    assert found.answered(batch(found, DATA), ids((1,)), ALL) == ()  # Gamma is to be asked
    assert found.answered(batch(found, GAMMA), ids((1,)), ALL) == (EndedPoll(cid(1)),)
    found.begin(due(2), 0.0, able=())
    data, gamma = batch(found, DATA), batch(found, GAMMA)  # both are asked
    assert found.answered(data, ids((2,)), ALL) == ()
    assert found.answered(gamma, ids((2,)), ALL) == (EndedPoll(cid(2)),)


def test_polls_no_longer_wait_for_a_source_that_goes_away() -> None:
    found = queues(1, 2)
    request = found.next(GAMMA, 1)
    assert request is not None
    assert found.answered(batch(found, DATA), ids((1, 2)), ALL) == ()
    assert found.failed(request, AWAY, ALL) == ()
    assert found.away(GAMMA, (DATA, CLOB)) == (
        EndedPoll(cid(1)),
        EndedPoll(cid(2)),
    )  # another reports on them
    assert found.away(GAMMA, (DATA, CLOB)) == ()


def test_a_late_answer_ends_the_poll_that_it_came_without() -> None:
    found = queues()
    found.begin(due(1), 0.0, able=(DATA,))
    found.answered(batch(found, DATA), ids((1,)), (DATA,))
    assert found.answered(batch(found, GAMMA), ids((1,)), ALL) == (EndedPoll(cid(1), late=True),)


def test_the_next_poll_ends_the_one_before() -> None:
    found = queues(1)
    assert found.begin(due(1, AGAIN), 60.0, able=ALL) == (EndedPoll(cid(1)),)
    found.answered(batch(found, DATA), ids((1,)), ALL)
    found.answered(batch(found, GAMMA), ids((1,)), ALL)
    assert found.begin(due(1, AGAIN), 120.0, able=ALL) == ()


def test_a_poll_that_waits_too_long_ends() -> None:
    found = queues(1)
    found.begin(due(2), 5.0, able=ALL)
    assert found.overdue(LONGEST_POLL_S - 0.1) == ()
    assert found.overdue(LONGEST_POLL_S) == (EndedPoll(cid(1), missed=True),)
    assert found.overdue(LONGEST_POLL_S + 5.0) == (EndedPoll(cid(2), missed=True),)
    assert found.waiting(DATA) == 2  # they are still asked about


def test_a_market_is_missed_when_it_is_rejected_and_no_source_reports_on_it() -> None:
    found = queues(1, 2, sources=(DATA, GAMMA))
    for number in (1, 2):
        request = found.next(GAMMA, 1)
        assert request is not None
        assert request.ids == ids((number,))
        assert found.failed(request, REJECTED, ALL) == ()
    ended = found.answered(batch(found, DATA), ids((1,)), ALL)
    assert ended == (EndedPoll(cid(1)), EndedPoll(cid(2), missed=True))


def test_a_market_is_missed_when_all_sources_are_away() -> None:
    found = queues(1)
    for source in (DATA, GAMMA):
        found.failed(batch(found, source), AWAY, ALL)
    assert found.away(DATA, (GAMMA, CLOB)) == ()
    assert found.away(GAMMA, (CLOB,)) == (EndedPoll(cid(1), missed=True),)
    found.begin(due(1), 60.0, able=())
    assert found.overdue(60.0 + LONGEST_POLL_S) == (EndedPoll(cid(1), missed=True),)


def test_a_market_that_no_source_knows_is_not_missed() -> None:
    found = queues(1, sources=(DATA,))
    assert found.answered(batch(found, DATA), (), ALL) == (EndedPoll(cid(1), missed=False),)
