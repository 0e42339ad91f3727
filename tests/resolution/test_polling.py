from collections.abc import Callable

from actors.model.market import Asset, Market
from actors.model.outcome import Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.polling import CLOB_EXTRA, Ask, PollRound

Answer = Callable[[Ask], list[Observation]]


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


def said(condition_id: ConditionId, source: Source, *, final: bool) -> Observation:
    return Observation(
        condition_id=condition_id,
        source=source,
        observed_at_ms=1,
        payouts=() if final else None,
        reason="" if final else "open",
        payload="",
    )


def nothing(_: Ask) -> list[Observation]:
    return []


def walk_through(poll_round: PollRound, answer: Answer, dead: tuple[Source, ...] = ()) -> list[Ask]:
    asks = []
    while (ask := poll_round.next(lambda source: source not in dead)) is not None:
        asks.append(ask)
        poll_round.heard(ask, answer(ask))
    return asks


def sources(asks: list[Ask]) -> list[tuple[Source, int]]:
    return [(ask.source, len(ask.ids)) for ask in asks]


def test_what_gamma_does_not_find_among_the_closed_is_looked_for_among_the_open() -> None:
    poll_round = PollRound([market(1), market(2)], ended=(), with_chain=False)

    def answer(ask: Ask) -> list[Observation]:
        if ask.source is Source.GAMMA and ask.closed:
            return [said(market(1).condition_id, Source.GAMMA, final=False)]
        return []

    asks = walk_through(poll_round, answer)
    assert [(a.source, a.ids, a.closed) for a in asks[:2]] == [
        (Source.GAMMA, (market(1).condition_id, market(2).condition_id), True),
        (Source.GAMMA, (market(2).condition_id,), False),
    ]


def test_the_clob_is_asked_about_what_another_source_calls_final_and_a_few_that_ended() -> None:
    markets = [market(number) for number in range(40)]
    ended = [each.condition_id for each in markets]
    poll_round = PollRound(markets, ended=ended, with_chain=False)

    def answer(ask: Ask) -> list[Observation]:
        if ask.source is not Source.DATA:
            return []
        return [said(each, Source.DATA, final=True) for each in ask.ids[:5]]

    asks = walk_through(poll_round, answer)
    clob = [ask.ids[0] for ask in asks if ask.source is Source.CLOB]
    assert clob[:10] == ended[:5] + ended[20:25]
    assert len(clob) == 10 + CLOB_EXTRA
    assert len(set(clob)) == len(clob)


def test_what_has_not_ended_costs_no_question_to_the_clob() -> None:
    poll_round = PollRound([market(1)], ended=(), with_chain=False)
    assert Source.CLOB not in {ask.source for ask in walk_through(poll_round, nothing)}


def test_every_source_is_asked_in_pieces_it_can_take() -> None:
    poll_round = PollRound([market(n) for n in range(1, 71)], ended=(), with_chain=True)
    assert sources(walk_through(poll_round, nothing)) == [
        (Source.GAMMA, 50),
        (Source.GAMMA, 50),
        (Source.GAMMA, 20),
        (Source.GAMMA, 20),
        *[(Source.DATA, 20)] * 3,
        (Source.DATA, 10),
        *[(Source.CHAIN, 20)] * 3,
        (Source.CHAIN, 10),
    ]


def test_v2_markets_are_not_looked_for_on_the_chain() -> None:
    poll_round = PollRound([market(1, "v2"), market(2)], ended=(), with_chain=True)
    chain = [ask.ids for ask in walk_through(poll_round, nothing) if ask.source is Source.CHAIN]
    assert chain == [(market(2).condition_id,)]


def test_a_source_that_is_not_able_is_left_out() -> None:
    poll_round = PollRound([market(1)], ended=[market(1).condition_id], with_chain=True)
    asked = walk_through(poll_round, nothing, dead=(Source.GAMMA, Source.DATA))
    assert [ask.source for ask in asked] == [Source.CHAIN, Source.CLOB]


def test_a_market_is_missed_when_nobody_answered_and_not_when_somebody_did() -> None:
    heard, missed, unknown = market(1), market(2), market(3)
    poll_round = PollRound([heard, missed], ended=(), with_chain=False)

    def answer(ask: Ask) -> list[Observation]:
        return [said(heard.condition_id, Source.DATA, final=False)] if len(ask.ids) == 2 else []

    walk_through(poll_round, answer, dead=(Source.GAMMA,))
    assert poll_round.missed == {missed.condition_id}
    all_answered = PollRound([unknown], ended=(), with_chain=False)
    walk_through(all_answered, nothing)
    assert all_answered.missed == frozenset()


def test_a_question_that_failed_leaves_its_markets_missed() -> None:
    poll_round = PollRound([market(1)], ended=(), with_chain=False)
    while (ask := poll_round.next(lambda _: True)) is not None:
        poll_round.unanswered(ask)
    assert poll_round.missed == {market(1).condition_id}
