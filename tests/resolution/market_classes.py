"""What the services say of each class of market, and what the tracker makes of it.

    python -m tests.resolution.market_classes [--write]

prints, or writes, docs/reference/labels.md. `CLASSES` has the answers, each as its service sends
it, cut down to what is read of it. What is recorded is verbatim; `test_market_classes.py` compares
it with the recordings where they are. The rest follows what is documented or reported of the
class. `labelled` sends them through the whole resolution actor, with a clock of its own and
without threads.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from actors.actor import Addresses, Incarnation
from actors.errors import SourceUnavailable
from actors.messages import (
    MarketResolved,
    ResolutionConflict,
    ResolutionHint,
    ResolutionReport,
    Tick,
    UniverseChanged,
)
from actors.model.market import Market, Source
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.contract import chain
from actors.polymarket.contract.chain import ChainFacts
from actors.polymarket.contract.rpc import Answered
from actors.polymarket.contract.slots import COLLATERALS, position_ids
from actors.polymarket.events import MarketEvent, announced_market
from actors.polymarket.gamma import parse_market
from actors.polymarket.pagination import Params, Route
from actors.resolution.actor import ResolutionActor, ResolutionSettings
from tests.fakes_asking import FakeAsker
from tests.fakes_box import Box, drain
from tests.fakes_http import FakePage, FakePolymarket

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "labels.md"
POLL_S, HOLD_S = 60.0, 120.0
STEP_S, STAGE_S = 15.0, 1_800.0
"""Seconds of a tick, and for which the services answer as in one stage."""

Json = Mapping[str, Any]
SPLIT = "split"
SERVICES = (Source.GAMMA, Source.CLOB, Source.DATA)


class Setup(Enum):
    """Which nodes of the chain are asked."""

    PUBLIC = "As installed: three public nodes"
    NONE = "Without a node (`TRACKER_POLYGON_RPC_URLS=off`)"
    OWN = "With a node of your own"


@dataclass(frozen=True)
class Said:
    """What the services answer about a market at one time.

    Attributes:
        gamma: Its object; None: not listed.
        clob: Of `/markets/{id}`, or where that has none of `/clob-markets/{id}`; None: unknown.
        resolutions: The rows of `/v2/resolutions`.
        tokens: The rows of `/v2/tokens`.
        chain: What the functions of the contract return, by their name.
    """

    gamma: Json | None = None
    clob: Json | None = None
    resolutions: tuple[Json, ...] = ()
    tokens: tuple[Json, ...] = ()
    chain: Json = field(default_factory=dict)


@dataclass(frozen=True)
class MarketClass:
    """A class of markets, by one market of it.

    Attributes:
        at: When it was closed, or when it is looked at.
        known: The object of Gamma while it was open, or the event that announced it.
        truth: What it pays: a token, `split`, or None while nothing says so for certain.
        stages: What the services answer, one after the other.
        recorded: Of what is recorded (`known`, or a source of the last stage), the file.
    """

    name: str
    at: str
    known: Json
    truth: TokenId | str | None
    stages: tuple[Said, ...]
    recorded: Mapping[str, str] = field(default_factory=dict)

    @property
    def market(self) -> Market:
        """Return the market as the tracker knows it."""
        raw = json.dumps(self.known).encode()
        if self.known.get("event_type") == "new_market":
            return announced_market(msgspec.json.decode(raw, type=MarketEvent))
        return parse_market(raw)


@dataclass(frozen=True)
class Label:
    """What the tracker makes of a market.

    Attributes:
        pays: The token that wins, `split`, or None: no label.
        outcome: The name of the token, when two sources tell it alike.
        why: The sources of a label; without one, what the market waits for.
    """

    pays: TokenId | str | None
    outcome: str | None
    why: str

    def text(self, market: Market) -> str:
        """Return it in words."""
        if self.pays is None:
            return f"none: {self.why}"
        unnamed = self.pays != SPLIT and self.outcome is None
        return f"{_name(market, self.pays)}{', unnamed' if unnamed else ''}: {self.why}"


# ------------------------------------------------------------------ the answers


@dataclass(frozen=True)
class Sides:
    """A condition with its tokens in the order of the slots, and their names."""

    condition: str
    tokens: tuple[str, str]
    names: tuple[str, str]

    def gamma(self, prices: tuple[str, str] | None, **fields: Any) -> Json:
        """Return an object of Gamma."""
        listed = {
            "id": "900001",
            "question": "A market of this class?",
            "conditionId": self.condition,
            "slug": "a-market-of-this-class",
            "outcomes": json.dumps(self.names),
            "clobTokenIds": json.dumps(self.tokens),
            "active": True,
            "closed": False,
            "umaResolutionStatuses": "[]",
            "acceptingOrders": True,
        }
        if prices is not None:
            listed["outcomePrices"] = json.dumps(prices)
        return listed | fields

    def clob(self, winner: int | None, *, closed: bool = True) -> Json:
        """Return an answer of `/markets/{id}`."""
        return {
            "condition_id": self.condition,
            "closed": closed,
            "accepting_orders": not closed,
            "is_50_50_outcome": False,
            "tokens": [
                {"token_id": token, "outcome": name, "winner": slot == winner}
                for slot, (token, name) in enumerate(zip(self.tokens, self.names, strict=True))
            ],
        }

    def clob_market(self) -> Json:
        """Return an answer of `/clob-markets/{id}`."""
        sides = zip(self.tokens, self.names, strict=True)
        return {"c": self.condition, "ao": False, "t": [{"t": each, "o": o} for each, o in sides]}

    def uma(self, price: str, status: str = "resolved", **fields: Any) -> tuple[Json, ...]:
        """Return the row of the life of a question of UMA: it has a price and no payouts."""
        row = {
            "question_id": "0x" + "11" * 32,
            "condition_id": self.condition,
            "status": status,
            "extended_review": False,
            "was_disputed": False,
            "new_version_q": True,
            "proposed_price": UNSET,
            "reproposed_price": UNSET,
            "price": price,
            "transaction_hash": "0x" + "22" * 32,
            "log_index": "170",
            "last_update_timestamp": "1785355919",
        }
        return (row | fields,)

    def payouts(self, first: int, second: int, reporter: str) -> tuple[Json, ...]:
        """Return the row of a condition, which has payouts in millionths."""
        row = {
            "condition_id": self.condition,
            "status": "resolved",
            "payouts": [str(first), str(second)],
            "resolution_source": "reported",
            "reporter": reporter,
            "was_disputed": False,
        }
        return (row,)

    def pay(self, first: float | None, second: float | None, module: str) -> tuple[Json, ...]:
        """Return the rows of both tokens; None: not resolved."""
        return tuple(
            {
                "token_id": token,
                "condition_id": self.condition,
                "module": module,
                "outcome_index": slot,
                "clob_index": slot,
                "outcome": name,
                "resolved": price is not None,
                "final_price": price,
            }
            for slot, (token, name, price) in enumerate(
                zip(self.tokens, self.names, (first, second), strict=True)
            )
        )


V1, V2 = "v1_ctf", "binary"
FIRST, SECOND, HALF, UNSET = str(10**18), "0", str(5 * 10**17), "69"
"""Prices of UMA."""
YES_NO = ("Yes", "No")


def ctf(first: int, second: int) -> Json:
    """Return what the contract of V1 has: numerators, both zero before the result."""
    return {
        "payoutDenominator": first + second,
        "getOutcomeSlotCount": 2,
        "payoutNumerators": [first, second],
    }


def made_up(number: int, names: tuple[str, str] = YES_NO) -> Sides:
    """Return a condition of V1 that nobody has prepared."""
    condition = f"0x{'c0ffee' * 10}{number:04x}"
    return Sides(condition, position_ids(bytes.fromhex(condition[2:]), COLLATERALS[0]), names)


def v2(condition: str, names: tuple[str, str]) -> Sides:
    first = int(condition, 16)
    return Sides(condition, (str(first), str(first + 1)), names)


def identified(listed: Json, names: tuple[str, str] = YES_NO) -> Sides:
    """Return the sides of a recorded object of Gamma."""
    first, second = json.loads(listed["clobTokenIds"])
    return Sides(listed["conditionId"], (first, second), names)


def opened(listed: Json) -> Json:
    """Return an object of Gamma as it was before anything was decided."""
    later = ("closedTime", "umaResolutionStatus", "resolutionStatus", "outcomePrices")
    return {key: listed[key] for key in listed if key not in later} | {"closed": False}


RESOLVED = {"closed": True, "umaResolutionStatus": "resolved", "acceptingOrders": False}
NOW = "2026-10-03T04:00:00+00:00"
GAMMA = "nautilus_trader/gamma/gamma_market"
CLOB = "nautilus_trader/clob/clob_market"


def _uma() -> MarketClass:
    gamma = {
        "id": "1460332",
        "question": "Katana FDV above $1B one day after launch?",
        "conditionId": "0x8ccc3f4951ff02c1d34b87988752b4444ad17228732780a6cf22afefe8478bb6",
        "slug": "katana-fdv-above-1b-one-day-after-launch-395-996",
        "endDate": "2028-01-01T05:00:00Z",
        "startDate": "2026-02-27T23:34:28.752Z",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["0", "1"]',
        "active": True,
        "closed": True,
        "closedTime": "2026-03-19 23:20:15+00",
        "umaResolutionStatus": "resolved",
        "umaResolutionStatuses": '["proposed"]',
        "clobTokenIds": json.dumps(
            [
                "108872296183993054938831082799825620165440189659433018108548854929333464287226",
                "89711174926330519158043401581181146613785179104141808554061413232025882707365",
            ]
        ),
        "acceptingOrders": False,
        "negRisk": False,
    }
    sides = identified(gamma)
    clob = {
        "condition_id": sides.condition,
        "closed": True,
        "accepting_orders": False,
        "is_50_50_outcome": False,
        "tokens": [
            {"outcome": "Yes", "price": 0, "token_id": sides.tokens[0], "winner": False},
            {"outcome": "No", "price": 1, "token_id": sides.tokens[1], "winner": True},
        ],
    }
    said = Said(gamma, clob, sides.uma(SECOND), sides.pay(0, 1, V1), ctf(0, 1))
    return MarketClass(
        name="UMA, yes or no",
        at="2026-03-19T23:21:00+00:00",
        known=opened(gamma),
        truth=TokenId(sides.tokens[1]),
        stages=(said,),
        recorded={
            Source.GAMMA: f"{GAMMA}_closed_binary_accepting_false.json",
            Source.CLOB: f"{CLOB}_closed_binary_accepting_false.json",
        },
    )


def _sports() -> MarketClass:
    gamma = {
        "id": "1878152",
        "question": "Counter-Strike: FaZe vs illwill (BO3) - HLC Belgrade Pro Playoffs",
        "conditionId": "0x202abb9a80673068ec5ce9294d60e31eeaf3ab5c82fb21fb0c9142e5d0cab385",
        "slug": "cs2-faze-ill-2026-04-05",
        "endDate": "2026-04-05T21:10:00Z",
        "outcomes": '["FaZe", "illwill"]',
        "outcomePrices": '["1", "0"]',
        "active": True,
        "closed": True,
        "closedTime": "2026-04-05 19:37:33+00",
        "umaResolutionStatus": "resolved",
        "umaResolutionStatuses": '["proposed"]',
        "clobTokenIds": json.dumps(
            [
                "89972346417086440659189114668296975440208562769200022591480064439842896371398",
                "90510951248295963583566830308208121966213462932425555585207203442852394431867",
            ]
        ),
        "acceptingOrders": False,
        "sportsMarketType": "moneyline",
        "negRisk": False,
    }
    sides = identified(gamma, ("FaZe", "illwill"))
    said = Said(gamma, sides.clob(0), sides.uma(FIRST), sides.pay(1, 0, V1), ctf(1, 0))
    return MarketClass(
        name="UMA, sports",
        at="2026-04-05T19:38:00+00:00",
        known=opened(gamma),
        truth=TokenId(sides.tokens[0]),
        stages=(said,),
        recorded={Source.GAMMA: f"{GAMMA}_sports_market_money_line.json"},
    )


def _neg_risk() -> MarketClass:
    known = {
        "conditionId": "0xc8f1cf5d4f26e0fd9c8fe89f2a7b3263b902cf14fde7bfccef525753bb492e47",
        "question": "Will Stephen A. Smith win the 2028 Democratic presidential nomination?",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["0.0105", "0.9895"]',
        "clobTokenIds": json.dumps(
            [
                "60590045489347122735554346200880179420435533609307820342798544098823516727807",
                "76005700027045000587004110133818166617024719626220722682005164003117993034812",
            ]
        ),
        "active": True,
        "closed": False,
        "endDate": "2028-11-07T00:00:00Z",
        "negRisk": True,
        "umaResolutionStatuses": "[]",
    }
    sides = identified(known)
    gamma = {**known, **RESOLVED, "outcomePrices": '["0", "1"]'}
    said = Said(gamma, sides.clob(1), sides.uma(SECOND), sides.pay(0, 1, V1), ctf(0, 1))
    return MarketClass(
        name="neg-risk",
        at=NOW,
        known=known,
        truth=TokenId(sides.tokens[1]),
        stages=(said,),
        recorded={"known": "nautilus_trader/gamma/gamma_event.json"},
    )


def _up_or_down(name: str, **gamma_fields: Any) -> MarketClass:
    known = {
        "id": "1557558",
        "question": "Bitcoin Up or Down - March 12, 5:20AM-5:25AM ET",
        "conditionId": "0x78443f961b9a65869dcb39359de9960165c7e5cbad0904eac7f29cd77872a63b",
        "endDate": "2026-03-12T09:25:00Z",
        "outcomes": '["Up", "Down"]',
        "outcomePrices": '["0.505", "0.495"]',
        "active": True,
        "closed": False,
        "umaResolutionStatuses": "[]",
        "clobTokenIds": json.dumps(
            [
                "104239898038807136052399800151408521467737075933964991162589336683346093173875",
                "71183960810705820955071415844881728181970340514894896943812046065452395013351",
            ]
        ),
        "acceptingOrders": True,
        "negRisk": False,
    }
    sides = identified(known, ("Up", "Down"))
    gamma = {**known, "closed": True, "outcomePrices": '["1", "0"]', **gamma_fields}
    said = Said(
        gamma,
        sides.clob(0),
        sides.payouts(1_000_000, 0, "CHAINLINK"),
        sides.pay(1, 0, V1),
        ctf(1, 0),
    )
    return MarketClass(
        name=name,
        at="2026-03-12T09:27:00+00:00",
        known=known,
        truth=TokenId(sides.tokens[0]),
        stages=(said,),
        recorded={"known": f"{GAMMA}.json"},
    )


def _v2_native() -> MarketClass:
    # As the CLOB listed it on 2026-10-05.
    sides = v2("0x017791f201d5a788e0039e511fc1900e5f000000000000000000000000000000", ("Up", "Down"))
    known = {
        "event_type": "new_market",
        "id": "900002",
        "question": "Bitcoin Up or Down?",
        "market": sides.condition,
        "slug": "btc-updown",
        "assets_ids": list(sides.tokens),
        "outcomes": list(sides.names),
        "active": True,
        "timestamp": "1791000000000",
    }
    said = Said(
        None,
        sides.clob_market(),
        sides.payouts(1_000_000, 0, "CHAINLINK"),
        sides.pay(1, 0, V2),
        {"getResult": [1_000_000, 0]},
    )
    return MarketClass(
        name="V2, announced only",
        at=NOW,
        known=known,
        truth=TokenId(sides.tokens[0]),
        stages=(said,),
    )


def _v2_mirror() -> MarketClass:
    sides = v2("0x01" + "ab" * 16 + "00" * 15, ("Up", "Down"))
    bare = sides.condition[:64]
    known = sides.gamma(
        ("0.085", "0.915"),
        conditionId=bare,
        version="v2",
        clobTokenIds=None,
        positionIds=list(sides.tokens),
        resolutionStatus="active",
    )
    gamma = {
        **known,
        "closed": True,
        "acceptingOrders": False,
        "outcomePrices": '["0", "1"]',
        "resolutionStatus": "resolved",
    }
    said = Said(
        gamma,
        sides.clob_market(),
        sides.payouts(0, 1_000_000, "CHAINLINK"),
        sides.pay(0, 1, V2),
        {"getResult": [0, 1_000_000]},
    )
    return MarketClass(
        name="V2, listed by Gamma",
        at=NOW,
        known=known,
        truth=TokenId(sides.tokens[1]),
        stages=(said,),
    )


def _halves(name: str, number: int, prices: tuple[str, str]) -> MarketClass:
    sides = made_up(number, ("Lions", "Bears"))
    gamma = sides.gamma(prices, **RESOLVED)
    return MarketClass(
        name=name,
        at=NOW,
        known=opened(gamma),
        truth=SPLIT,
        stages=(
            Said(gamma, sides.clob(None), sides.uma(HALF), sides.pay(0.5, 0.5, V1), ctf(1, 1)),
        ),
    )


def _flipped() -> MarketClass:
    # Its stages are known by their words alone; no recorded market is being disputed.
    sides = made_up(3)
    tokens, still_open = sides.pay(None, None, V1), sides.clob(None, closed=False)
    proposed = Said(
        sides.gamma(("0.9995", "0.0005"), umaResolutionStatus="proposed"),
        still_open,
        sides.uma(UNSET, "proposed", proposed_price=FIRST),
        tokens,
        ctf(0, 0),
    )
    disputed = Said(
        sides.gamma(
            ("0.62", "0.38"),
            umaResolutionStatus="disputed",
            umaResolutionStatuses='["proposed","disputed"]',
        ),
        still_open,
        sides.uma(UNSET, "disputed", proposed_price=FIRST, was_disputed=True),
        tokens,
        ctf(0, 0),
    )
    history = '["proposed","disputed","proposed","resolved"]'
    resolved = Said(
        sides.gamma(("0", "1"), **RESOLVED, umaResolutionStatuses=history),
        sides.clob(1),
        sides.uma(SECOND, proposed_price=FIRST, reproposed_price=SECOND, was_disputed=True),
        sides.pay(0, 1, V1),
        ctf(0, 1),
    )
    assert proposed.gamma is not None
    return MarketClass(
        name="disputed, then the other outcome",
        at=NOW,
        known=opened(proposed.gamma),
        truth=TokenId(sides.tokens[1]),
        stages=(proposed, disputed, resolved),
    )


def _stuck() -> MarketClass:
    sides = made_up(4)
    gamma = sides.gamma(
        ("0.5", "0.5"), umaResolutionStatus="proposed", endDate="2025-12-01T00:00:00Z"
    )
    said = Said(
        gamma,
        sides.clob(None, closed=False),
        sides.uma(UNSET, "proposed", proposed_price=FIRST),
        sides.pay(None, None, V1),
        ctf(0, 0),
    )
    return MarketClass(
        name="proposed for months, open at ½",
        at=NOW,
        known=opened(gamma),
        truth=None,
        stages=(said,),
    )


def _by_hand() -> tuple[MarketClass, MarketClass]:
    gamma = {
        "id": "1812085",
        "question": "Russia x Ukraine ceasefire by end of 2027?",
        "conditionId": "0xd57eed0d44f5b8ca54925d8d6ff440b146b3e6e071da18136ee3ee572d34479e",
        "slug": "russia-x-ukraine-ceasefire-by-end-of-2027",
        "endDate": "2027-12-31T00:00:00Z",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["1", "0"]',
        "active": True,
        "closed": True,
        "closedTime": "2026-05-09 02:07:01+00",
        "clobTokenIds": json.dumps(
            [
                "22978793223071892222859460592277435458011604214087068523744633723809814935807",
                "108268928354766371660560153450121076545199284531791348447523752861907448942629",
            ]
        ),
        "acceptingOrders": True,
        "negRisk": False,
        "umaResolutionStatuses": "[]",
    }
    sides = identified(gamma)
    clob = {
        "condition_id": sides.condition,
        "closed": True,
        "accepting_orders": True,
        "is_50_50_outcome": False,
        "tokens": [
            {"outcome": "Yes", "price": 1, "token_id": sides.tokens[0], "winner": True},
            {"outcome": "No", "price": 0, "token_id": sides.tokens[1], "winner": False},
        ],
    }
    nothing = Said(
        gamma,
        clob,
        sides.uma(UNSET, "initialized"),
        sides.pay(None, None, V1),
        ctf(0, 0),
    )
    paid = replace(
        nothing,
        resolutions=sides.payouts(1_000_000, 0, "EOA"),
        tokens=sides.pay(1, 0, V1),
        chain=ctf(1, 0),
    )
    before = MarketClass(
        name="closed by hand, not on the chain yet",
        at="2026-05-09T02:08:00+00:00",
        known=opened(gamma),
        truth=None,
        stages=(nothing,),
        recorded={
            Source.GAMMA: f"{GAMMA}_closed_binary_accepting_true.json",
            Source.CLOB: f"{CLOB}_closed_binary_accepting_true.json",
        },
    )
    after = replace(
        before, name="closed by hand, on the chain", truth=TokenId(sides.tokens[0]), stages=(paid,)
    )
    return before, after


def _scalar() -> MarketClass:
    gamma = {
        "id": "43",
        "question": "What will the total value locked (TVL) in DeFi be at the end of 2020,"
        " according to DefiPulse?",
        "conditionId": "0x7333b6e016f7f60d86f15f11ed0b41b69deec0b6d73b86933639b1f39a545d87",
        "endDate": "2021-01-02T00:00:00Z",
        "outcomes": '["Long", "Short"]',
        "outcomePrices": '["0.5843311669077693146635445446077281",'
        ' "0.4156688330922306853364554553922719"]',
        "active": True,
        "marketType": "scalar",
        "closed": True,
        "closedTime": "2021-01-02 21:45:52+00",
        "clobTokenIds": json.dumps(
            [
                "39300000801750313506415881962475878529141489415482379908932315503554876854698",
                "1993578487229597591293755303341708890459187725728713215820133740213314514940",
            ]
        ),
        "umaResolutionStatuses": "[]",
    }
    sides = identified(gamma, ("Long", "Short"))
    said = Said(
        gamma,
        None,
        sides.payouts(584_331, 415_669, "EOA"),
        sides.pay(0.584331, 0.415669, V1),
        ctf(584_331, 415_669),
    )
    return MarketClass(
        name="scalar (2021)",
        at=NOW,
        known=opened(gamma),
        truth=None,
        stages=(said,),
        recorded={Source.GAMMA: f"{GAMMA}_closed_nonbinary_legacy.json"},
    )


def _nothing() -> MarketClass:
    gamma = {
        "id": "12",
        "question": "Will Joe Biden get Coronavirus before the election?",
        "conditionId": "0xe3b423dfad8c22ff75c9899c4e8176f628cf4ad4caa00481764d320e7415f7a9",
        "endDate": "2020-11-04T00:00:00Z",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["0", "0"]',
        "active": True,
        "marketType": "normal",
        "closed": True,
        "closedTime": "2020-11-02 16:31:01+00",
        "clobTokenIds": json.dumps(
            [
                "53135072462907880191400140706440867753044989936304433583131786753949599718775",
                "60869871469376321574904667328762911501870754872924453995477779862968218702336",
            ]
        ),
        "umaResolutionStatuses": "[]",
    }
    return MarketClass(
        name="0/0, never resolved (2020)",
        at=NOW,
        known=opened(gamma),
        truth=None,
        stages=(Said(gamma, chain=ctf(0, 0)),),
        recorded={Source.GAMMA: f"{GAMMA}_closed_zero_zero_legacy.json"},
    )


def _without_flag() -> MarketClass:
    sides = Sides(
        "0x98c01e1f5053e57fcb59add64b9c0f74ac784609b80ab1a8754e934878468310",
        (
            "58410023360445133337002742789209293559332988923893081558084399803488340569229",
            "50020510440737250328008159708072591412893525445726218563056023860740951051234",
        ),
        YES_NO,
    )
    clob = {
        "condition_id": sides.condition,
        "closed": True,
        "accepting_orders": False,
        "question": "Will the Ethereum Merge (EIP-3675) occur by September 1, 2022?",
        "tokens": [
            {"outcome": "Yes", "price": 0, "token_id": sides.tokens[0], "winner": False},
            {"outcome": "No", "price": 1, "token_id": sides.tokens[1], "winner": False},
        ],
    }
    gamma = sides.gamma(("0", "1"), **RESOLVED, endDate="2022-09-01T00:00:00Z")
    said = Said(gamma, clob, sides.uma(SECOND), sides.pay(0, 1, V1), ctf(0, 1))
    return MarketClass(
        name="UMA (2022), no winner at the CLOB",
        at=NOW,
        known=opened(gamma),
        truth=TokenId(sides.tokens[1]),
        stages=(said,),
        recorded={Source.CLOB: "nautilus_trader/http_legacy_2024/markets.json"},
    )


def _placeholder() -> MarketClass:
    sides = made_up(5)
    gamma = sides.gamma(None, active=False, negRisk=True, negRiskOther=True)
    return MarketClass(
        name='neg-risk "Other", a placeholder',
        at=NOW,
        known=gamma,
        truth=None,
        stages=(Said(gamma, chain=ctf(0, 0)),),
    )


CLASSES = (
    _uma(),
    _sports(),
    _without_flag(),
    _neg_risk(),
    _up_or_down("crypto up or down (Chainlink)", **RESOLVED),
    _up_or_down("crypto up or down, no status at Gamma"),
    _v2_native(),
    _v2_mirror(),
    _halves("50/50", 1, ("0.5", "0.5")),
    _halves("void near one half at Gamma", 2, ("0.495", "0.505")),
    _flipped(),
    _stuck(),
    *_by_hand(),
    _scalar(),
    _nothing(),
    _placeholder(),
)


# ----------------------------------------------------------------- the services


class Services(FakePolymarket):
    """The services, which know one market."""

    said = Said()

    def markets_page(
        self, params: Params, cursor: str | None, *, route: Route = Route.KEYSET
    ) -> FakePage:
        del route  # each has the same
        self._note("page", (params, cursor), "gamma")
        wanted = dict(params)
        return FakePage(self._listed(closed=wanted.get("closed") == "true"), None)

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        self._note("lookup", (tuple(ids), closed), "gamma")
        named = self.said.gamma is not None and self.said.gamma["conditionId"] in ids
        return self._listed(closed=closed) if named else ()

    def clob_market(self, condition_id: ConditionId) -> bytes | None:
        self._note("clob", condition_id, "clob")
        return None if self.said.clob is None else json.dumps(self.said.clob).encode()

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        self._note("data", tuple(ids), "data")
        return tuple(json.dumps(row).encode() for row in self.said.resolutions + self.said.tokens)

    def payouts(self, condition_ids: Sequence[ConditionId]) -> tuple[ChainFacts, ...]:
        self._note("chain", tuple(condition_ids), "chain")
        return tuple(contract_facts(each, self.said.chain) for each in condition_ids)

    def _listed(self, *, closed: bool) -> tuple[bytes, ...]:
        gamma = self.said.gamma
        if gamma is None or gamma["closed"] is not closed:
            return ()
        return (json.dumps(gamma).encode(),)


def contract_facts(condition_id: ConditionId, said: Json) -> ChainFacts:
    """Return what is read of a contract that returns this, in as many calls as it takes."""
    first = chain.first_call(condition_id)
    if first.data.startswith(chain.RESULT):
        numbers = said["getResult"]
        return chain.facts(condition_id, Answered(_words(32, len(numbers), *numbers)))
    denominator = Answered(_words(said["payoutDenominator"]))
    if not chain.further_calls(condition_id, denominator):
        return chain.facts(condition_id, denominator)
    numbers = (said["getOutcomeSlotCount"], *said["payoutNumerators"])
    return chain.facts(condition_id, denominator, [Answered(_words(each)) for each in numbers])


def _words(*numbers: int) -> str:
    return "0x" + "".join(f"{number:064x}" for number in numbers)


class Tracker:
    """A resolution actor that knows one market, with its clock.

    Args:
        found: The market.
        setup: Which nodes it asks.
        gone: The service that never answers.
    """

    def __init__(self, found: MarketClass, setup: Setup, gone: Source | None = None) -> None:
        self.web = Services(public_nodes=setup is Setup.PUBLIC)
        if gone is not None:
            self.web.dead[gone.value] = SourceUnavailable("gone")
        self.market = found.market
        self._begins_ns = int(datetime.fromisoformat(found.at).timestamp()) * 10**9
        self._elapsed_s = 0.0
        self._supervisor, self._writer = Box(), Box()
        self._asker = FakeAsker(self.web, chain=setup is not Setup.NONE)
        self._actor = ResolutionActor(
            Incarnation("resolution", 1, self._time()),
            to=Addresses(supervisor=self._supervisor, writer=self._writer, catalog=Box()),
            asker=self._asker,
            settings=ResolutionSettings(poll_s=POLL_S, hold_s=HOLD_S),
        )
        self._actor.on_receive(self._time())
        self._actor.on_receive(UniverseChanged(added=(self.market,), removed=()))

    def hint(self) -> None:
        """Report, as the feed does, that the market resolved."""
        self._actor.on_receive(ResolutionHint(condition_id=self.market.condition_id))
        drain(self._actor)

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP_S)):
            self._elapsed_s += STEP_S
            self._asker.now = self._elapsed_s
            self._actor.on_receive(self._time())
            drain(self._actor)

    def label(self) -> Label:
        """Return what it makes of the market."""
        assert self._writer.of(ResolutionConflict) == []
        found = [message.resolution for message in self._writer.of(MarketResolved)]
        if not found:
            ((reason, _),) = self._supervisor.last(ResolutionReport).pending
            return Label(None, None, reason)
        (resolution,) = found
        sources = " ".join(sorted(resolution.sources))
        pays = resolution.winning_token_id or SPLIT
        return Label(pays, resolution.winning_outcome, sources)

    def _time(self) -> Tick:
        wall_ns = self._begins_ns + int(self._elapsed_s * 1e9)
        return Tick(now=1000.0 + self._elapsed_s, wall_ns=wall_ns)


@cache
def _labelled(index: int, setup: Setup, gone: Source | None) -> Label:
    found = CLASSES[index]
    tracker = Tracker(found, setup, gone)
    for said in found.stages:
        tracker.web.said = said
        tracker.hint()
        tracker.run(STAGE_S)
    return tracker.label()


def labelled(found: MarketClass, setup: Setup, gone: Source | None = None) -> Label:
    """Return what the tracker makes of this market."""
    return _labelled(CLASSES.index(found), setup, gone)


# --------------------------------------------------------------------- the page

SITUATIONS: tuple[tuple[str, Source | None], ...] = (
    ("all answer", None),
    ("no Gamma", Source.GAMMA),
    ("no CLOB", Source.CLOB),
    ("no Data API", Source.DATA),
)
REASONS = {
    "only gamma is final": "one source alone decides nothing, until another one or a node agrees",
    "only clob is final": "the same",
    "only data is final": "the same",
    "only chain is final": "the same: a node can be wrong, too",
    "closed without status": "Gamma has closed the market and does not say that it is resolved",
    "prices not final": "resolved at Gamma, with prices other than 1 and 0, or ½ and ½",
    "payouts not final": "resolved at the Data API, with payouts other than all and nothing, or"
    " halves: there is no label for it",
    "proposed": "UMA has a proposal, which can still be disputed",
    "initialized": "the Data API knows the question; nobody has proposed an answer",
    "open": "no source says anything else",
    "not reported": "the contract has no result",
    "unusual payouts": "the contract has payouts that are neither a winner nor halves: there is no"
    " label for it",
    "sources do not answer": "those that answer do not know the market",
}
"""What each reason on the page means."""
INTRODUCTION = """\
# Labels by class of market

Made by `python -m tests.resolution.market_classes --write`; the rule is in
[Resolutions](../explanation/resolutions.md).

Each row is a class of markets, shown by one market of it: the first table has what each service
answers when it is over, *recorded* from the service or else as documented or reported, and the
others what the tracker makes of that in half an hour after the feed has reported that the market
resolved, with all services or without one of them. A label is the name of the outcome that wins, or
`split`, with the sources that agree; `none` stands with the reason as `tracker-status` counts it,
which [the last table](#reasons) explains. A cell never has another label than the right one of the
first table: where the services say too little there is none.
"""


def markdown() -> str:
    """Return the page."""
    services = [
        [each.name, _right(each), *(_shown(each, source) for source in (*SERVICES, Source.CHAIN))]
        for each in CLASSES
    ]
    parts = [
        INTRODUCTION,
        "## What the services say\n",
        _table(["class", "right label", "Gamma", "CLOB", "Data API", "chain"], services),
        "Prices are those of UMA: 10^18 is the first outcome, half of it both, 69 is not set.\n",
    ]
    for setup in Setup:
        rows = [
            [each.name, *(labelled(each, setup, gone).text(each.market) for _, gone in SITUATIONS)]
            for each in CLASSES
        ]
        parts += [f"## {setup.value}\n", _table(["class", *(name for name, _ in SITUATIONS)], rows)]
        if setup is Setup.PUBLIC:
            parts.append(
                "A label with `chain` comes ten minutes later: see"
                " [the nodes](../explanation/resolutions.md#the-nodes).\n"
            )
    parts += ["## Reasons\n", _table(["reason", "meaning"], [list(row) for row in REASONS.items()])]
    parts.append(
        "`unnamed`: the token that wins is known by its id, and only one source tells its name, so"
        " `winning_outcome` is empty.\n"
    )
    return "\n".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return (
        "".join(f"| {' | '.join(line)} |\n" for line in lines)
        .replace("| --- ", "|---")
        .replace("|--- |", "|---|")
    )


def _name(market: Market, token_id: str | None) -> str:
    return next((each.outcome for each in market.assets if each.token_id == token_id), SPLIT)


def _right(found: MarketClass) -> str:
    return "none" if found.truth is None else _name(found.market, found.truth)


def _shown(found: MarketClass, source: Source) -> str:
    text = ", then ".join(dict.fromkeys(_answer(said, source) for said in found.stages))
    if source in found.recorded:
        return f"{text} (*recorded*)"
    if source is Source.GAMMA and "known" in found.recorded:
        return f"{text} (*recorded* while open)"
    return text


def _answer(said: Said, source: Source) -> str:
    match source:
        case Source.GAMMA:
            return _shown_gamma(said.gamma)
        case Source.CLOB:
            return _shown_clob(said.clob)
        case Source.DATA:
            return _shown_data(said)
        case Source.CHAIN:
            return _shown_chain(said.chain)


def _shown_gamma(gamma: Json | None) -> str:
    if gamma is None:
        return "not listed"
    state = "closed" if gamma["closed"] else "open"
    uma, own = gamma.get("umaResolutionStatus"), gamma.get("resolutionStatus")
    status = f"`{uma}`" if uma else f"`resolutionStatus` `{own}`" if own else "no status"
    prices = json.loads(gamma.get("outcomePrices", "[]"))
    shown = " / ".join(price[:6].rstrip(".") for price in prices) or "no prices"
    return f"{state}, {status}, {shown}"


def _shown_clob(clob: Json | None) -> str:
    if clob is None:
        return "unknown"
    if "t" in clob:
        return "tokens, no winner"
    winners = [side["outcome"] for side in clob["tokens"] if side["winner"]]
    state = "closed" if clob["closed"] else "open"
    return f"{state}, winner {winners[0]}" if winners else f"{state}, no winner"


def _shown_data(said: Said) -> str:
    if not said.resolutions:
        return "no row"
    (row,) = said.resolutions
    payouts = row.get("payouts")
    paid = f"payouts {' / '.join(payouts)}" if payouts else f"price {row['price']}"
    return f"`{row['status']}`, {paid}"


def _shown_chain(said: Json) -> str:
    numbers = said.get("getResult") or said["payoutNumerators"]
    return " / ".join(map(str, numbers)) if any(numbers) else "no result"


def main() -> int:
    logging.disable()  # a service that is gone is logged with each request
    if "--write" in sys.argv[1:]:
        PAGE.write_text(markdown())
    else:
        sys.stdout.write(markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
