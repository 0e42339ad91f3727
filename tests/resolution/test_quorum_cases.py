"""Promise: every set of answers that was seen or is feared gives the decision beside it.

Each case runs as it happens: rounds of answers, one hold apart, each read by the parser
of its source. `yes` and `no` are final answers of the chain; other texts name an answer of
tests/data/outcome, or one of RAW.
"""

# ruff: noqa: E501 - one case a line reads as the table that it is

import json
from typing import NamedTuple

import msgspec
import pytest

from actors.model.market import Market, Observation, Source
from actors.model.trade import ConditionId
from actors.polymarket.contract.chain import ChainFacts
from actors.resolution.polling import Request, read_answer
from actors.resolution.quorum import Conflict, NotYet, Winner, decide
from tests.resolution.recorded_answers import (
    AT_MS,
    CONDITION,
    MARKET,
    NO,
    YES,
    changed,
    evidence_of,
    state,
)

HOLD_MS = 120_000
G, C, D, X = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN
STATES = {G: "gamma_states", C: "clob_states", D: "data_states"}
G_YES, G_NO = "disputed once, then resolved", "resolved with full history"
G_HALF, D_HALF = "resolved 50/50", "split"
C_YES, C_NO = "winner, still accepting orders", "winner"
D_YES, D_NO = "winner", "winner, numbers"
V2 = ConditionId("0x" + "ab" * 31 + "00")
PLACES = ("Łódź", "São Paulo 🏆")

Round = dict[Source, str]


def facts(*numbers: int) -> ChainFacts:
    slots, denominator, first, second = (f"0x{number:064x}" for number in numbers)
    return ChainFacts(slots=slots, denominator=denominator, numerators=(first, second))


def repeated(raw: bytes, key: str, value: str) -> bytes:
    """Return the answer with one key a second time, in front."""
    return b'{"' + key.encode() + b'": ' + value.encode() + b", " + raw.strip()[1:]


RAW: dict[tuple[Source, str], bytes | ChainFacts] = {
    (X, "yes"): facts(2, 1, 1, 0),
    (X, "no"): facts(2, 1, 0, 1),
    (X, "half"): facts(2, 2, 1, 1),
    (X, "open"): facts(2, 0, 0, 0),
    (X, "scalar"): facts(2, 1000, 584, 416),
    (X, "three slots"): facts(3, 1, 1, 0),
    (X, "unknown"): facts(0, 0, 0, 0),
    (X, "nothing"): facts(2, 1, 0, 0),
    (X, "html"): ChainFacts(slots="<html>502</html>", denominator="", numerators=("", "")),
    (C, "html"): b"<!DOCTYPE html><title>Just a moment...</title>",
    (C, "truncated"): state("clob_states", C_YES)[:-40],
    (C, "null"): b"null",
    (C, "twin keys"): repeated(state("clob_states", C_YES), "closed", "false"),
    (G, "truncated"): state("gamma_states", G_YES)[:-40],
    (G, "twin keys"): repeated(state("gamma_states", G_YES), "umaResolutionStatus", '"disputed"'),
    (G, "number prices"): changed(state("gamma_states", G_YES), outcomePrices=[1, 0]),
    (G, "half a hair"): changed(
        state("gamma_states", G_HALF), outcomePrices='["0.5", "0.50000001"]'
    ),
    (D, "twin keys"): repeated(state("data_states", D_YES), "status", '"proposed"'),
    (D, "text payouts"): changed(state("data_states", D_YES), payouts=["1000000", "0"]),
    (D, "elsewhere"): changed(state("data_states", D_YES), condition_id="0x" + "9" * 64),
    (D, "reproposed"): changed(state("data_states", D_YES), status="reproposed", payouts=None),
}


class Case(NamedTuple):
    """The answers round by round, and the decision that must follow."""

    name: str
    rounds: list[Round]
    decision: str
    reason: str


def twice(**answers: str) -> list[Round]:
    names = {"g": G, "c": C, "d": D, "x": X}
    one = {names[key]: answer for key, answer in answers.items()}
    return [one, one]


def then(*rounds: Round) -> list[Round]:
    return list(rounds)


CASES = [
    # ------------------------------------------------------------ agreement
    Case("clean, all agree", twice(g=G_YES, c=C_YES, d=D_YES, x="yes"), "Yes", "chain clob data gamma"),
    Case("clean, the second side", twice(g=G_NO, c=C_NO, d=D_NO, x="no"), "No", "chain clob data gamma"),
    Case("Gamma and Data API", twice(g=G_NO, d=D_NO), "No", "data gamma"),
    Case("Gamma and CLOB", twice(g=G_NO, c=C_NO), "No", "clob gamma"),
    Case("CLOB and chain while Gamma lags", twice(g="active", c=C_YES, x="yes"), "Yes", "chain clob"),
    Case("Data API and chain while Gamma is proposed", twice(g="proposed, open at 1/0", d=D_YES, x="yes"), "Yes", "chain data"),
    Case("50/50, which the CLOB cannot say", twice(g=G_HALF, c="a split shows no flag", d=D_HALF, x="half"), "split", "chain data gamma"),
    Case("50/50 by Data API and chain", twice(d=D_HALF, x="half"), "split", "chain data"),
    Case("disputed and flipped, then resolved", then({G: "disputed, closed at 1/0", D: "disputed"}, {G: G_NO, D: D_NO}, {G: G_NO, D: D_NO}), "No", "data gamma"),
    Case("proposed for the loser first", then({G: "proposed, open at 1/0", D: "proposed"}, {G: G_NO, D: D_NO}, {G: G_NO, D: D_NO}), "No", "data gamma"),
    Case("closed 1/0 without status: the others decide", twice(g="closed at 1/0, no status, still accepting orders", c=C_YES, d=D_YES), "Yes", "clob data"),
    Case("numbers as numbers", twice(g="number prices", d=D_YES), "Yes", "data gamma"),
    Case("numbers as strings", twice(g=G_YES, d="text payouts"), "Yes", "data gamma"),
    Case("decimals with zeros", twice(g="decimals with zeros", d=D_YES), "Yes", "data gamma"),
    Case("lists that are native", twice(g="native lists", x="yes"), "Yes", "chain gamma"),
    Case("Gamma in another order than the others", twice(g="tokens in another order with their prices", d=D_YES, c=C_YES), "Yes", "clob data gamma"),
    Case("CLOB in another order than the others", twice(g=G_NO, c="tokens in another order"), "No", "clob gamma"),
    Case("an outcome was renamed", twice(g="outcome renamed", d=D_YES), "Yes", "data gamma"),
    Case("HTML from one of three", twice(g=G_YES, c="html", d=D_YES), "Yes", "data gamma"),
    Case("half an answer from one of three", twice(g="truncated", c=C_YES, d=D_YES), "Yes", "clob data"),
    Case("the wrong market from one of three", twice(g="another market in the answer", c=C_YES, d=D_YES), "Yes", "clob data"),
    Case("three outcomes at one of three", twice(g="three outcomes", c=C_YES, d=D_YES), "Yes", "clob data"),
    Case("prices missing at one of three", twice(g="resolved, closed, prices missing", c=C_YES, x="yes"), "Yes", "chain clob"),
    Case("no token ids at one of three", twice(g="no tokens", c=C_YES, d=D_YES), "Yes", "clob data"),
    Case("duplicate keys at one of three", twice(g="twin keys", c=C_YES, d=D_YES), "Yes", "clob data"),
    Case("a third source comes late", then({G: G_NO, D: D_NO}, {G: G_NO, D: D_NO, C: C_NO}), "No", "clob data gamma"),
    # ------------------------------------------------------------- not yet
    Case("nobody was asked", [{}], "not yet", "not asked"),
    Case("open", twice(g="active", d="proposed"), "not yet", "open"),
    Case("proposed at 0.9995", twice(g="proposed, open and trading at 0.9995", d="proposed"), "not yet", "proposed"),
    Case("proposed at 0.5/0.5", twice(g="proposed, stuck at 0.5/0.5", d="proposed", x="open"), "not yet", "proposed"),
    Case("disputed", twice(g="disputed, closed at 1/0", d="challenged"), "not yet", "disputed"),
    Case("in arbitration", twice(d="in arbitration"), "not yet", "arbitration"),
    Case("proposed a second time", twice(d="reproposed"), "not yet", "reproposed"),
    Case("closed before the oracle's end", twice(g="closed hours before the oracle's end", d="proposed", c="closed, prices 0/1, no flag"), "not yet", "proposed"),
    Case("closed 1/0 without status, alone", twice(g="closed at 1/0, no status, still accepting orders"), "not yet", "closed without status"),
    Case("0/0", twice(g="never resolved, 0/0", c="closed, 0/0, no flag"), "not yet", "closed without status"),
    Case("0/0 that is called resolved", twice(g="resolved, closed, but 0/0", d="nothing for anybody"), "not yet", "payouts not final"),
    Case("scalar", twice(g="scalar of 2021", c="closed, 0.81/0.19, no flag", x="scalar"), "not yet", "unusual payouts"),
    Case("scalar payouts", twice(d="payouts that are no outcome", x="scalar"), "not yet", "unusual payouts"),
    Case("0.999/0.001 that is called resolved", twice(g="resolved, closed, 0.999/0.001", c="closed, prices 0.0003/0.9997, no flag"), "not yet", "prices not final"),
    Case("a half that is a hair off", twice(g="half a hair", d=D_HALF), "not yet", "only data is final"),
    Case("payouts a millionth off", twice(g=G_YES, d="payouts a millionth off"), "not yet", "only gamma is final"),
    Case("everything for both", twice(g=G_YES, d="everything for both"), "not yet", "only gamma is final"),
    Case("dollars instead of millionths", twice(d="dollars instead of millionths", c=C_YES), "not yet", "only clob is final"),
    Case("payouts are missing", twice(d="resolved without payouts", g=G_YES), "not yet", "only gamma is final"),
    Case("resolved and open", twice(g="resolved but not closed", d=D_YES), "not yet", "only data is final"),
    Case("resolved in other words", twice(g="resolved in other words", d="a new word"), "not yet", "unknown status"),
    Case("a flag while open", twice(c="flag while open", d=D_YES), "not yet", "only data is final"),
    Case("two flags", twice(c="two flags", g=G_YES), "not yet", "only gamma is final"),
    Case("token ids that are empty", twice(c="empty token ids", g=G_YES), "not yet", "only gamma is final"),
    Case("token ids as numbers", twice(g="token ids as numbers", d=D_YES), "not yet", "only data is final"),
    Case("three outcomes everywhere", twice(g="three outcomes", c="three sides", d="three payouts", x="three slots"), "not yet", "not two outcomes"),
    Case("names on the other tokens", twice(g="outcomes in another order than their tokens", d=D_YES), "not yet", "only data is final"),
    Case("a foreign token", twice(g="one token swapped for a foreign one", d=D_YES), "not yet", "only data is final"),
    Case("the wrong market everywhere", twice(g="another market in the answer", c="another market", d="elsewhere"), "not yet", "wrong market echoed"),
    Case("HTML everywhere", twice(c="html", x="html"), "not yet", "unreadable answer"),
    Case("half an answer", twice(c="truncated", d=D_YES), "not yet", "only data is final"),
    Case("null", twice(c="null", d=D_YES), "not yet", "only data is final"),
    Case("duplicate keys at both", twice(d="twin keys", c="twin keys"), "not yet", "twin keys"),
    Case("a chain that pays nobody", twice(x="nothing", c=C_YES), "not yet", "only clob is final"),
    Case("a condition that the chain does not know", twice(x="unknown", d=D_YES), "not yet", "only data is final"),
    Case("the chain alone", twice(x="yes"), "not yet", "only chain is final"),
    Case("before the hold is over", [{G: G_NO, D: D_NO}], "not yet", "on hold"),
    Case("only one of two confirmed", then({G: G_NO, D: D_NO}, {G: G_NO}), "not yet", "to be confirmed"),
    Case("an old page after a newer one", then({G: G_NO, D: D_NO}, {G: "proposed, open at 1/0", D: D_NO}, {G: G_NO, D: D_NO}), "not yet", "on hold"),
    Case("an outcome that is withdrawn", then({G: G_NO, D: D_NO}, {G: "disputed, closed at 1/0", D: D_NO}), "not yet", "only data is final"),
    Case("both flip together", then({G: G_NO, D: D_NO}, {G: G_YES, D: D_YES}), "not yet", "on hold"),
    Case("a contradiction that has just ended", then({G: G_NO, D: D_NO, C: C_YES}, {G: G_NO, D: D_NO, C: C_NO}), "not yet", "on hold"),
    # ------------------------------------------------------------ conflict
    Case("Gamma against the Data API", twice(g=G_NO, d=D_YES), "conflict", f"data says winner {YES}; gamma says winner {NO}"),
    Case("one against three", twice(g=G_NO, c=C_NO, d=D_NO, x="yes"), "conflict", f"chain says winner {YES}; clob says winner {NO}; data says winner {NO}; gamma says winner {NO}"),
    Case("a split against a winner", twice(g=G_HALF, c=C_NO), "conflict", f"clob says winner {NO}; gamma says split"),
    Case("a contradiction that comes during the hold", then({G: G_NO, D: D_NO}, {G: G_NO, D: D_NO, C: C_YES}), "conflict", f"clob says winner {YES}; data says winner {NO}; gamma says winner {NO}"),
]  # fmt: skip


def raw_answer(source: Source, answer: str) -> bytes | ChainFacts:
    return RAW[source, answer] if (source, answer) in RAW else state(STATES[source], answer)


def observations(rounds: list[Round], market: Market = MARKET) -> list[Observation]:
    """Read every answer as the actor does; what is about another market is ignored."""
    markets = {market.condition_id: market}
    return [
        observation
        for number, answers in enumerate(rounds)
        for source, answer in answers.items()
        for observation in read_answer(
            Request(source, (market.condition_id,), closed=True),
            (raw_answer(source, answer),),
            markets,
            AT_MS + number * HOLD_MS,
        )
    ]


def rule(case: Case, market: Market = MARKET) -> tuple[str, str]:
    now_ms = AT_MS + (len(case.rounds) - 1) * HOLD_MS
    evidence = evidence_of(observations(case.rounds, market), market.condition_id)
    decision = decide(evidence, market, now_ms=now_ms, hold_ms=HOLD_MS)
    match decision:
        case NotYet(reason=reason):
            return "not yet", reason
        case Conflict(reason=reason):
            return "conflict", reason
        case Winner(token_id=token_id, sources=sources):
            names = {asset.token_id: asset.outcome for asset in market.assets}
            return names[token_id], " ".join(sources)
    return "split", " ".join(decision.sources)


def test_there_are_at_least_sixty_cases_and_no_two_of_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_decision_is_the_one_beside_the_case(case: Case) -> None:
    assert rule(case) == (case.decision, case.reason)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_order_in_which_the_sources_answer_changes_nothing(case: Case) -> None:
    turned = [dict(reversed(answers.items())) for answers in case.rounds]
    assert rule(case._replace(rounds=turned)) == (case.decision, case.reason)


def test_a_v2_market_is_known_by_its_bare_and_by_its_padded_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = msgspec.structs.replace(MARKET, condition_id=V2, version="v2")
    bare = changed(
        state("gamma_states", G_YES),
        conditionId=V2[:64],
        clobTokenIds=None,
        positionIds=[YES, NO],
        version="v2",
    )
    monkeypatch.setitem(RAW, (G, "bare"), bare)
    padded = changed(state("data_states", D_YES), condition_id=V2)
    monkeypatch.setitem(RAW, (D, "padded"), padded)
    by_token = changed(state("clob_states", C_YES), condition_id=V2)
    monkeypatch.setitem(RAW, (C, "by token"), by_token)
    # The Data API names a slot, and nothing proves which token has it. The contract does not
    # know the market.
    case = Case("", twice(g="bare", d="padded", x="no"), "not yet", "only gamma is final")
    assert rule(case, market) == (case.decision, case.reason)
    case = Case("", twice(g="bare", c="by token", d="padded"), "Yes", "clob gamma")
    assert rule(case, market) == (case.decision, case.reason)


def test_a_split_of_unknown_slots_is_not_final(monkeypatch: pytest.MonkeyPatch) -> None:
    market = msgspec.structs.replace(MARKET, condition_id=V2, version="v2")
    bare = changed(state("gamma_states", "resolved 50/50"), conditionId=V2[:64])
    monkeypatch.setitem(RAW, (G, "bare"), bare)
    padded = changed(state("data_states", "split"), condition_id=V2)
    monkeypatch.setitem(RAW, (D, "padded"), padded)
    case = Case("", twice(g="bare", d="padded"), "not yet", "only gamma is final")
    assert rule(case, market) == (case.decision, case.reason)


def test_outcomes_are_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tuple(
        msgspec.structs.replace(asset, outcome=name)
        for asset, name in zip(MARKET.assets, PLACES, strict=True)
    )
    market = msgspec.structs.replace(MARKET, assets=assets)
    places = changed(state("gamma_states", G_NO), outcomes=json.dumps(PLACES))
    monkeypatch.setitem(RAW, (G, "places"), places)
    case = Case("unicode", twice(g="places", d=D_NO), PLACES[1], "data gamma")
    assert rule(case, market) == (case.decision, case.reason)


def test_a_market_id_in_capitals_is_the_same_market(monkeypatch: pytest.MonkeyPatch) -> None:
    loud = changed(state("data_states", D_NO), condition_id="0x" + CONDITION[2:].upper())
    monkeypatch.setitem(RAW, (D, "loud"), loud)
    assert rule(Case("", twice(g=G_NO, d="loud"), "", "")) == ("No", "data gamma")
