"""FakePolymarket: Gamma, CLOB, Data API and chain in memory, behaving like the real ones.

It replaces `polymarket/client.py`: raw JSON in, raw JSON out. Shapes
follow the recorded answers: lists as JSON in a string, `closed` false unless
asked for, look-ups that honour `closed`, cursors, `closedTime` in its own format.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from actors.errors import SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket.contract.chain import ChainFacts
from actors.polymarket.contract.slots import COLLATERALS, position_ids
from actors.polymarket.pagination import Params, Route

WALL_MS = 1_791_000_000_000  # 2026-10-03T04:00:00Z


@cache
def condition(number: int) -> ConditionId:
    return ConditionId(f"0x{number:062x}aa")


@cache  # a third of a millisecond each time
def tokens(number: int) -> tuple[str, str]:
    """Return the tokens of a market, in the order of its slots."""
    return position_ids(bytes.fromhex(condition(number)[2:]), COLLATERALS[0])


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class FakeMarket:
    """One market and what each source reports of it."""

    number: int
    volume: str = "100"
    tags: tuple[str, ...] = ()
    end_ms: int | None = WALL_MS + 600_000
    start_ms: int = WALL_MS - 3_600_000
    closed: bool = False
    active: bool = True
    closed_ms: int | None = None
    status: str | None = None
    prices: tuple[str, str] = ("0.5", "0.5")
    data_status: str | None = "initialized"
    data_payouts: tuple[int, int] | None = None
    clob_winner: int | None = None
    clob_closed: bool = False
    listed: bool = True
    v2: bool = False
    tokenless: bool = False

    @property
    def condition_id(self) -> ConditionId:
        """Return the id as the tracker and the feed write it: V2 padded with two zeros."""
        return ConditionId(f"0x{self.number:062x}00") if self.v2 else condition(self.number)

    def resolve(self, winner: int | None, *, sources: str = "gdc", closed_ms: int = 0) -> None:
        """Make sources final: g, d, c; winner None is a split (which the CLOB cannot express)."""
        if "g" in sources:
            self.closed, self.status = True, "resolved"
            self.closed_ms = closed_ms or WALL_MS
            self.prices = {None: ("0.5", "0.5"), 0: ("1", "0"), 1: ("0", "1")}[winner]
        if "d" in sources:
            self.data_status = "resolved"
            self.data_payouts = {
                None: (500_000, 500_000),
                0: (1_000_000, 0),
                1: (0, 1_000_000),
            }[winner]
        if "c" in sources:
            self.clob_closed, self.clob_winner = True, winner

    def gamma(self) -> bytes:
        ids = [] if self.tokenless else list(tokens(self.number))
        values: dict[str, Any] = {
            "id": str(self.number),
            "conditionId": self.condition_id[:64] if self.v2 else self.condition_id,
            "question": f"Question {self.number}?",
            "slug": f"market-{self.number}",
            "outcomes": json.dumps(["Yes", "No"]),
            "outcomePrices": json.dumps(self.prices),
            "clobTokenIds": None if self.v2 else json.dumps(ids),
            "startDate": iso(self.start_ms),
            "volume": self.volume,
            "active": self.active,
            "closed": self.closed,
            "tags": [{"id": "1", "slug": tag} for tag in self.tags],
        }
        if self.v2:
            values |= {"positionIds": ids, "version": "v2"}
        if self.end_ms is not None:
            values["endDate"] = iso(self.end_ms)
        if self.closed_ms is not None:
            at = datetime.fromtimestamp(self.closed_ms / 1000, UTC)
            values["closedTime"] = at.strftime("%Y-%m-%d %H:%M:%S+00")
        if self.status is not None:
            values["umaResolutionStatus"] = self.status
        return json.dumps(values).encode()

    def clob(self) -> bytes:
        sides = [
            {"token_id": token, "outcome": name, "price": 0.5, "winner": self.clob_winner == index}
            for index, (token, name) in enumerate(
                zip(tokens(self.number), ("Yes", "No"), strict=True)
            )
        ]
        values = {"condition_id": self.condition_id, "closed": self.clob_closed, "tokens": sides}
        return json.dumps(values).encode()

    def data(self) -> bytes:
        return json.dumps(
            {
                "condition_id": self.condition_id,
                "status": self.data_status,
                "payouts": list(self.data_payouts or ()),
            }
        ).encode()

    def data_tokens(self) -> tuple[bytes, ...]:
        """Return the rows of `/v2/tokens`."""
        shares = self.data_payouts or (0, 0)
        return tuple(
            json.dumps(
                {
                    "token_id": token,
                    "condition_id": self.condition_id,
                    "outcome_index": slot,
                    "outcome": name,
                    "resolved": self.data_payouts is not None,
                    "final_price": share / 1_000_000 if self.data_payouts else None,
                }
            ).encode()
            for slot, (token, name, share) in enumerate(
                zip(tokens(self.number), ("Yes", "No"), shares, strict=True)
            )
        )

    def chain(self) -> ChainFacts:
        shares = self.data_payouts or (0, 0)
        numerators = [share // 500_000 for share in shares]
        words = [f"0x{number:064x}" for number in (2, sum(numerators), *numerators)]
        return ChainFacts(slots=words[0], denominator=words[1], numerators=(words[2], words[3]))


@dataclass
class FakePage:
    markets: tuple[bytes, ...]
    next_cursor: str | None


@dataclass
class FakePolymarket:
    """The sources.

    Attributes:
        dead: The error that gamma, clob, data or chain raise.
        asked: (method, what was requested), in order.
        page_size: Largest page.
        stuck_cursor: A cursor that the firewall rejects for ever.
        gone: Routes that answer 404.
        ignoring: Routes that bring the first page whatever the cursor.
        largest_offset: Of the list form.
        orders: Whether an order is taken; else it is answered with 422.
        failing: Markets of which every page and look-up is answered with 500.
        rejecting: By method (lookup, clob, data): the status of each request about these markets.
        damaged: Bytes in place of a market's question.
        clock_offset_s: The servers' clock minus ours.
        age_s: Of every answer.
        loops: The last page has its own cursor as the next one.
        canned: Answers by method (lookup, clob, data) to every request.
        closed: How often `close` was called.
        public_nodes: Whether the chain is asked through nodes for everybody.
        trackers: That share the nodes.
    """

    markets: dict[ConditionId, FakeMarket] = field(default_factory=dict)
    dead: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    page_size: int = 100
    stuck_cursor: str | None = None
    loops: bool = False
    gone: set[Route] = field(default_factory=set)
    ignoring: set[Route] = field(default_factory=set)
    largest_offset: int = 10_000
    orders: bool = True
    failing: set[ConditionId] = field(default_factory=set)
    rejecting: dict[str, tuple[int, set[ConditionId]]] = field(default_factory=dict)
    damaged: dict[ConditionId, bytes] = field(default_factory=dict)
    clock_offset_s: float = 0.0
    canned: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    closed: int = 0
    clock_errors: int = 0
    age_s: float = 0.0
    max_age_s: float = 0.0
    clock_known: bool = True
    old_answers: int = 0
    public_nodes: bool = False
    trackers: int = 1

    def add(self, market: FakeMarket) -> FakeMarket:
        self.markets[market.condition_id] = market
        return market

    def times(self, method: str) -> int:
        """Return how often this method was called."""
        return sum(name == method for name, _ in self.asked)

    def markets_page(
        self, params: Params, cursor: str | None, *, route: Route = Route.KEYSET
    ) -> FakePage:
        self._note("page", (params, cursor), "gamma")
        if route in self.gone:
            raise SourceUnavailable("HTTP 404", status=404)
        if cursor is not None and cursor == self.stuck_cursor:
            raise SourceUnavailable("HTTP 403", status=403)
        if "order" in dict(params) and not self.orders:
            raise SourceUnavailable("HTTP 422", status=422)
        limit = min(int(dict(params)["limit"]), self.page_size)
        found = self._listing(params)
        at = int(cursor.rpartition(":")[2]) if cursor and route not in self.ignoring else 0
        if route is Route.LIST and at > self.largest_offset:
            raise SourceUnavailable("HTTP 422", status=422)
        page = found[at : at + limit]
        more = at + limit < len(found)
        if route is Route.LIST:
            next_cursor = str(at + len(page)) if page else None
        else:
            next_cursor = f"{limit}:{at + limit}" if more else (cursor if self.loops else None)
        return FakePage(self._objects(page), next_cursor)

    def try_list_form(self) -> None:
        self._note("list form", None, "gamma")
        if Route.LIST in self.gone:
            raise SourceUnavailable("HTTP 404", status=404)

    def _objects(self, markets: Iterable[FakeMarket]) -> tuple[bytes, ...]:
        """Return the answer about these markets, or fail for all because of one."""
        markets = list(markets)
        if any(market.condition_id in self.failing for market in markets):
            raise SourceUnavailable("HTTP 500", status=500)
        return tuple(
            market.gamma().replace(
                f'"Question {market.number}?"'.encode(),
                self.damaged.get(market.condition_id, b'"?"'),
            )
            if market.condition_id in self.damaged
            else market.gamma()
            for market in markets
        )

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        self._note("lookup", (tuple(ids), closed), "gamma")
        assert len(ids) <= 100
        self._reject("lookup", ids)
        if "lookup" in self.canned:
            return self.canned["lookup"]
        wanted = set(ids)
        return self._objects(
            market
            for market in self.markets.values()
            if market.listed
            and market.closed is closed
            and (market.condition_id[:64] if market.v2 else market.condition_id) in wanted
        )

    def clob_market(self, condition_id: ConditionId) -> bytes | None:
        self._note("clob", condition_id, "clob")
        self._reject("clob", (condition_id,))
        if "clob" in self.canned:
            return self.canned["clob"][0]
        market = self.markets.get(condition_id)
        return None if market is None else market.clob()

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        self._note("data", tuple(ids), "data")
        assert len(ids) <= 10
        self._reject("data", ids)
        if "data" in self.canned:
            return self.canned["data"]
        found = [self.markets.get(each) for each in ids]
        known = [each for each in found if each is not None and each.data_status]
        return tuple(row for each in known for row in (each.data(), *each.data_tokens()))

    def _reject(self, method: str, ids: Sequence[ConditionId]) -> None:
        status, bad = self.rejecting.get(method, (0, set()))
        if bad.intersection(ids):
            raise SourceUnavailable(f"HTTP {status}", status=status)

    @property
    def is_clock_known(self) -> bool:
        return self.clock_known

    def take_age_s(self) -> float:
        return self.age_s

    def take_clock_errors(self) -> int:
        errors, self.clock_errors = self.clock_errors, 0
        return errors

    def take_old_answers(self) -> int:
        old, self.old_answers = self.old_answers, 0
        return old

    def close(self) -> None:
        self.closed += 1

    @property
    def is_public(self) -> bool:
        return self.public_nodes

    @property
    def at_once(self) -> int:
        return 20

    def share(self, trackers: int) -> None:
        self.trackers = trackers

    def payouts(self, condition_ids: Sequence[ConditionId]) -> tuple[ChainFacts, ...]:
        self._note("chain", tuple(condition_ids), "chain")
        return tuple(self.markets[each].chain() for each in condition_ids)

    def _note(self, method: str, what: object, source: str) -> None:
        self.asked.append((method, what))
        if source in self.dead:
            raise self.dead[source]

    def _listing(self, params: Params) -> list[FakeMarket]:
        wanted = dict(params)
        closed = wanted.get("closed", "false") == "true"
        status = wanted.get("uma_resolution_status")
        ids = {value for key, value in params if key == "condition_ids"}
        slugs = {value for key, value in params if key == "slug"}
        found = [
            market
            for market in self.markets.values()
            if market.listed
            and market.closed is closed
            and (status is None or market.status == status)
            and ("active" not in wanted or market.active)
            and (not ids or market.condition_id in ids)
            and (not slugs or f"market-{market.number}" in slugs)
            and iso(market.start_ms) >= wanted.get("start_date_min", "")
            and iso(market.start_ms) <= wanted.get("start_date_max", "9999")
        ]
        keys = {
            "startDate": lambda market: market.start_ms,
            "volumeNum": lambda market: float(market.volume),
            "id": lambda market: market.number,
            "createdAt": lambda market: market.number,
            "closedTime": lambda market: market.closed_ms or 0,
        }
        order = keys.get(wanted.get("order", ""))
        falling = wanted.get("ascending", "true") == "false"
        return sorted(found, key=order, reverse=falling) if order else found
