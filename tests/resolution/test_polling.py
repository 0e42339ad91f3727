from collections.abc import Callable

from actors.model.market import Asset, Market, Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.polling import CLOB_EXTRA, PollRound, Request

Answer = Callable[[Request], list[Observation]]


def market(number: int, version: str = "v1") -> Market:
    return Market(
        condition_id=ConditionId(f"0x{number:064x}"),
        question="",
        slug="",
        version=version,
        assets=(
            Asset(token_id=TokenId("1"), outcome="Yes", outcome_index=0),
            Asset(token_id=TokenId("2"), outcome="No", outcome_index=1),
        ),
    )


def seen(condition_id: ConditionId, source: Source, *, final: bool) -> Observation:
    return Observation(
        condition_id=condition_id,
        source=source,
        observed_at_ms=1,
        payouts=() if final else None,
        reason="" if final else "open",
        payload="",
    )


def nothing(_: Request) -> list[Observation]:
    return []


def answer_all(
    poll_round: PollRound, answer: Answer, dead: tuple[Source, ...] = ()
) -> list[Request]:
    """Answer every request of a round; return the requests."""
    requests = []
    while (request := poll_round.next(lambda source: source not in dead)) is not None:
        requests.append(request)
        poll_round.answered(request, answer(request))
    return requests


def sources(requests: list[Request]) -> list[tuple[Source, int]]:
    return [(request.source, len(request.ids)) for request in requests]


def test_what_gamma_does_not_find_among_the_closed_is_looked_for_among_the_open() -> None:
    poll_round = PollRound([market(1), market(2)], ended=(), with_chain=False)

    def answer(request: Request) -> list[Observation]:
        if request.source is Source.GAMMA and request.closed:
            return [seen(market(1).condition_id, Source.GAMMA, final=False)]
        return []

    requests = answer_all(poll_round, answer)
    assert [(each.source, each.ids, each.closed) for each in requests[:2]] == [
        (Source.GAMMA, (market(1).condition_id, market(2).condition_id), True),
        (Source.GAMMA, (market(2).condition_id,), False),
    ]


def test_the_clob_is_asked_about_what_another_source_calls_final_and_a_few_that_ended() -> None:
    markets = [market(number) for number in range(40)]
    ended = [each.condition_id for each in markets]
    poll_round = PollRound(markets, ended=ended, with_chain=False)

    def answer(request: Request) -> list[Observation]:
        if request.source is not Source.DATA:
            return []
        return [seen(each, Source.DATA, final=True) for each in request.ids[:5]]

    requests = answer_all(poll_round, answer)
    clob = [each.ids[0] for each in requests if each.source is Source.CLOB]
    final = [each for ten in range(0, 40, 10) for each in ended[ten : ten + 5]]
    assert clob[:20] == final
    assert len(clob) == 20 + CLOB_EXTRA
    assert len(set(clob)) == len(clob)


def test_what_has_not_ended_costs_no_request_to_the_clob() -> None:
    poll_round = PollRound([market(1)], ended=(), with_chain=False)
    assert Source.CLOB not in {each.source for each in answer_all(poll_round, nothing)}


def test_every_source_is_asked_in_chunks_that_it_takes() -> None:
    poll_round = PollRound([market(n) for n in range(1, 71)], ended=(), with_chain=True)
    assert sources(answer_all(poll_round, nothing)) == [
        (Source.GAMMA, 50),
        (Source.GAMMA, 50),
        (Source.GAMMA, 20),
        (Source.GAMMA, 20),
        *[(Source.DATA, 10)] * 7,
        *[(Source.CHAIN, 20)] * 3,
        (Source.CHAIN, 10),
    ]


def test_v2_markets_are_not_looked_for_on_the_chain() -> None:
    poll_round = PollRound([market(1, "v2"), market(2)], ended=(), with_chain=True)
    chain = [each.ids for each in answer_all(poll_round, nothing) if each.source is Source.CHAIN]
    assert chain == [(market(2).condition_id,)]


def test_a_source_that_is_not_able_is_left_out() -> None:
    poll_round = PollRound([market(1)], ended=[market(1).condition_id], with_chain=True)
    requests = answer_all(poll_round, nothing, dead=(Source.GAMMA, Source.DATA))
    assert [each.source for each in requests] == [Source.CHAIN, Source.CLOB]


def test_a_market_is_missed_when_no_source_answered_and_not_when_one_did() -> None:
    found, missed, unknown = market(1), market(2), market(3)
    poll_round = PollRound([found, missed], ended=(), with_chain=False)

    def answer(request: Request) -> list[Observation]:
        return [seen(found.condition_id, Source.DATA, final=False)] if len(request.ids) == 2 else []

    answer_all(poll_round, answer, dead=(Source.GAMMA,))
    assert poll_round.missed == {missed.condition_id}
    all_answered = PollRound([unknown], ended=(), with_chain=False)
    answer_all(all_answered, nothing)
    assert all_answered.missed == frozenset()


def test_a_request_that_failed_leaves_its_markets_missed() -> None:
    poll_round = PollRound([market(1)], ended=(), with_chain=False)
    while (request := poll_round.next(lambda _: True)) is not None:
        poll_round.unanswered(request)
    assert poll_round.missed == {market(1).condition_id}
