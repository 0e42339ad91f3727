"""Random worlds: a market, its true outcome, what four services say of it, and one that is broken.

A world answers as the services do, in their own JSON, at any time. Any service may be cached for
minutes, and shows its age. All of them may show a wrong outcome for up to two minutes, before
it is disputed. Beyond that one service at most is broken in some way, for all time or for a while.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from random import Random

import msgspec

from actors.model.market import Market, Observation, Resolution, Source, StoredEvidence
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import clob, data_api, gamma
from actors.polymarket.contract import chain
from actors.polymarket.contract.slots import COLLATERALS, position_ids
from actors.resolution.cases import CaseBook

GAMMA, CLOB, DATA, CHAIN = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN
START_MS = 1_780_000_000_000
POLL_MS, HOLD_MS = 60_000, 330_000
CACHES_MS = (0, 0, 300_000, 800_000)
"""How long services are cached: as was seen, and longer than the hold, without saying so."""
FLASH_MS = 120_000
"""The longest for which all services together show an outcome that is not the true one."""
LAST_FINAL_MS = 600_000
END_MS = 3_000_000
WAYS = {
    GAMMA: ("lies", "late", "mute", "ids reversed", "outcomes reversed", "prices reversed"),
    CLOB: ("lies", "late", "mute", "names reversed", "lies and names reversed"),
    DATA: ("lies", "late", "mute", "slots swapped", "names reversed", "half lies"),
    CHAIN: ("lies", "late", "mute"),
}
NAMES = (("Yes", "No"), ("Up", "Down"), ("FC Bern", "FC Basel"), ("Over", "Under"))


@dataclass(kw_only=True)
class World:
    """One market.

    Attributes:
        tokens: By slot of the contract.
        names: Of the outcomes by slot.
        winner: The slot that pays; None: both pay half.
        listed: The slots in the order of Gamma's list.
        final_ms: From when on each service has the true outcome; absent: never.
        flash: (from, to, slot) in which all services show this slot as the winner.
        broken: The service that is broken, if any, how, and when.
        routes: Of the Data API, those that there are.
        in_clob: Whether the CLOB knows the market.
        cached: How long each service keeps an answer, milliseconds.
    """

    version: str
    condition_id: ConditionId
    tokens: tuple[TokenId, ...]
    names: tuple[str, str]
    winner: int | None
    listed: tuple[int, int]
    final_ms: dict[Source, int]
    flash: tuple[int, int, int] | None
    broken: tuple[Source, str, int, int] | None
    routes: tuple[str, ...]
    in_clob: bool
    cached: dict[Source, int]
    kept: dict[Source, tuple[int, tuple[bytes, ...]]] = field(default_factory=dict)

    # ----------------------------------------------------------- what is so

    def _way(self, source: Source, at_ms: int) -> str:
        """Return how a service is broken at this time; empty while it is not."""
        if self.broken is None:
            return ""
        who, way, since_ms, until_ms = self.broken
        return way if who is source and since_ms <= at_ms < until_ms else ""

    def _shown(self, source: Source, at_ms: int) -> tuple[Decimal, Decimal] | None:
        """Return the payouts by slot that a service has at this time, or None before they are."""
        way = self._way(source, at_ms)
        if way.startswith("lies"):
            return _shares(1 if self.winner == 0 else 0)
        if self.flash is not None and self.flash[0] <= at_ms < self.flash[1]:
            return _shares(self.flash[2])
        final_ms = self.final_ms.get(source, END_MS) + (LAST_FINAL_MS if way == "late" else 0)
        return _shares(self.winner) if at_ms >= final_ms else None

    def _asked(self, source: Source, at_ms: int) -> tuple[int, tuple[bytes, ...]]:
        """Return when the answer to a request was made, and the answer."""
        made_ms, answer = self.kept.get(source, (-END_MS, ()))
        if at_ms - made_ms > self.cached[source]:
            made_ms, answer = at_ms, tuple(self._answer(source, at_ms))
            self.kept[source] = made_ms, answer
        return made_ms, answer

    def _answer(self, source: Source, at_ms: int) -> Iterator[bytes]:
        if self._way(source, at_ms) == "mute" or (source is CLOB and not self.in_clob):
            return
        if source is GAMMA:
            yield self.gamma(at_ms)
        elif source is CLOB:
            yield self._clob(at_ms)
        elif source is DATA:
            yield from self._data(at_ms)

    # -------------------------------------------------- in the services' words

    def gamma(self, at_ms: int) -> bytes:
        """Return Gamma's object."""
        shares, way = self._shown(GAMMA, at_ms), self._way(GAMMA, at_ms)
        ids = [self.tokens[slot] for slot in self.listed]
        names = [self.names[slot] for slot in self.listed]
        prices = [str(shares[slot]) if shares else "0.6" for slot in self.listed]
        for each, values in (("ids", ids), ("outcomes", names), ("prices", prices)):
            if way == f"{each} reversed":
                values.reverse()
        is_v2 = self.version == "v2"
        return json.dumps(
            {
                "conditionId": self.condition_id,
                "outcomes": json.dumps(names),
                "outcomePrices": json.dumps(prices),
                "positionIds" if is_v2 else "clobTokenIds": json.dumps(ids),
                "version": self.version,
                "closed": shares is not None,
                "resolutionStatus" if is_v2 else "umaResolutionStatus": (
                    "resolved" if shares else "active" if is_v2 else "proposed"
                ),
            }
        ).encode()

    def _clob(self, at_ms: int) -> bytes:
        shares, way = self._shown(CLOB, at_ms), self._way(CLOB, at_ms)
        names = self.names[::-1] if "names reversed" in way else self.names
        tokens = [
            {
                "token_id": self.tokens[slot],
                "outcome": names[slot],
                "winner": shares is not None and shares[slot] == 1,
            }
            for slot in self.listed
        ]
        found = {"condition_id": self.condition_id, "closed": shares is not None, "tokens": tokens}
        return json.dumps(found).encode()

    def _data(self, at_ms: int) -> Iterator[bytes]:
        shares, way = self._shown(DATA, at_ms), self._way(DATA, at_ms)
        swapped = shares[::-1] if shares else None
        by_slot = swapped if way in ("slots swapped", "half lies") else shares
        if "rows" in self.routes:
            yield json.dumps(
                {
                    "condition_id": self.condition_id,
                    "status": "resolved" if shares else "proposed",
                    "payouts": [int(share * 1_000_000) for share in by_slot] if by_slot else None,
                }
            ).encode()
        if "tokens" not in self.routes:
            return
        names = self.names[::-1] if way == "names reversed" else self.names
        for slot, token_id in enumerate(self.tokens):
            yield json.dumps(
                {
                    "condition_id": self.condition_id,
                    "token_id": token_id,
                    "outcome_index": 1 - slot if way == "slots swapped" else slot,
                    "outcome": names[slot],
                    "resolved": shares is not None,
                    "final_price": float(shares[slot]) if shares else None,
                }
            ).encode()

    def _chain(self, at_ms: int) -> chain.ChainFacts | None:
        if self._way(CHAIN, at_ms) == "mute":
            return None
        shares = self._shown(CHAIN, at_ms)
        if self.version == "v2":
            paid = [int(share * 1_000_000) for share in shares] if shares else []
            return chain.ChainFacts(
                result="0x" + "".join(f"{number:064x}" for number in (32, len(paid), *paid))
            )
        first, second = (int(2 * share) for share in shares) if shares else (0, 0)
        if first and second:
            first = second = 1
        words = [f"0x{number:064x}" for number in (2, first + second, first, second)]
        return chain.ChainFacts(
            slots=words[0], denominator=words[1], numerators=(words[2], words[3])
        )

    # -------------------------------------------------------------- a poll

    def observe(self, source: Source, market: Market, at_ms: int) -> tuple[Observation, ...]:
        """Return what a poll of a service at this time brings."""
        markets = {market.condition_id: market}
        if source is CHAIN:
            facts = self._chain(at_ms)
            return () if facts is None else (chain.observe(facts, market, START_MS + at_ms),)
        made_ms, answer = self._asked(source, at_ms)
        found: tuple[Observation, ...]
        if source is DATA:
            found = data_api.observe(answer, markets, START_MS + at_ms)
        else:
            read = gamma.observe if source is GAMMA else clob.observe
            found = tuple(read(raw, market, START_MS + at_ms) for raw in answer)
        return tuple(dated(each, START_MS + made_ms) for each in found)


def dated(observation: Observation, made_ms: int) -> Observation:
    """Return an observation with the time at which its answer was made."""
    return msgspec.structs.replace(observation, generated_at_ms=made_ms)


def _shares(winner: int | None) -> tuple[Decimal, Decimal]:
    if winner is None:
        return Decimal("0.5"), Decimal("0.5")
    return Decimal(int(winner == 0)), Decimal(int(winner == 1))


# ------------------------------------------------------------------ random ones


@lru_cache(maxsize=1_000)
def _v1_tokens(number: int, collateral: bytes) -> tuple[TokenId, TokenId]:
    # A curve costs a millisecond: some hundred markets are enough for any number of worlds.
    return position_ids(number.to_bytes(32, "big"), collateral)


def random_world(rng: Random) -> World:
    """Return a world."""
    version = "v2" if rng.random() < 0.25 else "v1"
    first, second = rng.choice(NAMES)
    number = rng.randrange(1, 400)
    condition_id, tokens = f"0x{number:064x}", _v1_tokens(number, rng.choice(COLLATERALS))
    if version == "v2":
        condition_id = f"0x01{number:032x}{'0' * 30}"
        tokens = TokenId(str(int(condition_id, 16))), TokenId(str(int(condition_id, 16) + 1))
        if rng.random() < 0.3:  # should ids of another form come
            condition_id = f"0x{number:062x}00"
    winner = None if rng.random() < 0.1 else rng.randrange(2)
    final_ms = {source: rng.randrange(LAST_FINAL_MS) for source in Source}
    flash = None
    if rng.random() < 0.3:
        since_ms = rng.randrange(300_000)
        until_ms = since_ms + rng.randrange(1_000, FLASH_MS)
        flash = since_ms, until_ms, 1 if winner == 0 else 0
        final_ms = {source: max(at_ms, until_ms) for source, at_ms in final_ms.items()}
    in_clob = rng.random() < (0.3 if version == "v2" else 0.9)
    if winner is None or not in_clob:
        del final_ms[CLOB]
    return World(
        version=version,
        condition_id=ConditionId(condition_id),
        tokens=tokens,
        names=(first, second) if rng.random() < 0.5 else (second, first),
        winner=winner,
        listed=rng.choice(((0, 1), (1, 0))),
        final_ms=final_ms,
        flash=flash,
        broken=_broken(rng) if rng.random() < 0.8 else None,
        routes=rng.choice((("rows", "tokens"), ("rows", "tokens"), ("rows",), ("tokens",))),
        in_clob=in_clob,
        cached=_caches(rng),
    )


def _caches(rng: Random) -> dict[Source, int]:
    """Return how long each service is cached; often all alike, as behind one network."""
    alike = rng.choice(CACHES_MS)
    each_its_own = rng.random() < 0.5
    return {source: rng.choice(CACHES_MS) if each_its_own else alike for source in Source}


def _broken(rng: Random) -> tuple[Source, str, int, int]:
    source = rng.choice(list(Source))
    way = rng.choice(WAYS[source])
    if rng.random() < 0.5:
        return source, way, -END_MS * 10, END_MS * 10
    since_ms = rng.randrange(END_MS)
    return source, way, since_ms, since_ms + rng.randrange(10_000, END_MS)


# ------------------------------------------------------------------ the tracker in it


class Run:
    """The tracker's decisions in one world, with restarts at any moment.

    Args:
        world: The world.
        rng: Of the times of polls and restarts.
        sources: Those that it asks; empty: all, the chain in half of the worlds.

    Attributes:
        resolution: What it recorded, if anything.
        restarts: How often it was restarted.
    """

    def __init__(self, world: World, rng: Random, *, sources: tuple[Source, ...] = ()) -> None:
        self._sources = sources
        self.resolution: Resolution | None = None
        self.restarts = 0
        self._world, self._rng = world, rng
        # As it was first listed, by Gamma.
        self._market = gamma.parse_market(world.gamma(-3_600_000))
        self._stored: dict[Source, Observation] = {}
        self._contradicted: tuple[ConditionId, ...] = ()
        self._cases = self._new_cases(0)

    def run(self) -> "Run":
        """Poll every minute or so, until the outcome is recorded or all is long over."""
        rng, at_ms = self._rng, 0
        sources = list(self._sources) or [
            each for each in Source if each is not CHAIN or rng.random() < 0.5
        ]
        restarts = rng.choice((0.0, 0.03, 0.15))
        while at_ms < END_MS and self.resolution is None:
            at_ms += rng.randrange(POLL_MS // 2, 3 * POLL_MS // 2)
            rng.shuffle(sources)
            for source in sources:
                if rng.random() < restarts:
                    self.restarts += 1
                    self._cases = self._new_cases(at_ms)
                if rng.random() < 0.9:
                    self._poll(source, at_ms)
        return self

    def _poll(self, source: Source, at_ms: int) -> None:
        for observation in self._world.observe(source, self._market, at_ms):
            findings = self._cases.observe(observation, self._market, START_MS + at_ms)
            if findings.observation is not None:
                kept = msgspec.structs.replace(findings.observation, payload="")
                self._stored[source] = kept
            if findings.contradictions:
                self._contradicted = (self._market.condition_id,)
            self.resolution = self.resolution or findings.resolution

    def _new_cases(self, at_ms: int) -> CaseBook:
        cases = CaseBook(poll_s=POLL_MS / 1000, hold_s=HOLD_MS / 1000)
        stored = StoredEvidence(
            observations=tuple(self._stored.values()), contradicted=self._contradicted
        )
        cases.restore(stored, START_MS + at_ms)
        cases.add([self._market], START_MS + at_ms)
        return cases


def mistakes(world: World, resolution: Resolution | None) -> list[str]:
    """Return what is wrong about a recorded outcome."""
    if resolution is None:
        return []
    shares = dict(zip(world.tokens, _shares(world.winner), strict=True))
    names = dict(zip(world.tokens, world.names, strict=True))
    winner = None if world.winner is None else world.tokens[world.winner]
    found = []
    if resolution.winning_token_id != winner:
        found.append("another winner")
    if resolution.winning_outcome not in (None, winner and names[winner]):
        found.append("another name of the winner")
    if {each.token_id for each in resolution.by_token} != set(world.tokens):
        found.append("other tokens")
    found += [
        f"{each.outcome} pays {each.payout}"
        for each in resolution.by_token
        if each.payout != shares.get(each.token_id)
        or each.outcome not in (None, names.get(each.token_id))
    ]
    return found
