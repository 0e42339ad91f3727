"""A market as values, from its listing to its recorded outcome.

Times are wall clock milliseconds since 1970, except where they are `datetime`. Payouts are shares
of one dollar, exact decimals. docs/explanation/resolutions.md explains the rule that leads from
observations to a resolution.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b

import msgspec

from actors.model.trade import ConditionId, TokenId

NOTHING = Decimal(0)
HALF = Decimal("0.5")
ALL = Decimal(1)


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a market: its token, the name of its outcome, and its index on the chain."""

    token_id: TokenId
    outcome: str
    outcome_index: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What markets belong to, as Gamma lists it with one of them. What is not told is None.

    Attributes:
        event_id: Gamma's number for it.
        series_slug: Of the series that it repeats in, such as one event every five minutes.
        neg_risk: Of its markets at most one resolves Yes.
        neg_risk_augmented: Markets may be added to it later.
        neg_risk_market_id: What its markets have in common on the chain.
        starts_at: When what it is about begins (aware UTC), such as a game.
        end_at: When it is planned to end (aware UTC).
    """

    event_id: str
    slug: str | None = None
    title: str | None = None
    series_slug: str | None = None
    neg_risk: bool | None = None
    neg_risk_augmented: bool | None = None
    neg_risk_market_id: str | None = None
    starts_at: datetime | None = None
    end_at: datetime | None = None


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing says of a market that only readers of the data need. None: it is not told.

    Long: only what is on its way to the database keeps it.

    Attributes:
        neg_risk_market_id: The same for all markets of which at most one resolves Yes.
        group_title: Its name among the markets of its event.
        game_start: When the game begins (aware UTC).
        closed_time: When trading ended (aware UTC).
        tick_size: Smallest step of a price, USDC.
        fee_schedule: A JSON object as Gamma tells it.
        description: The rules by which it resolves.
    """

    event: Event | None = None
    neg_risk_market_id: str | None = None
    group_title: str | None = None
    game_start: datetime | None = None
    closed_time: datetime | None = None
    tick_size: Decimal | None = None
    fee_schedule: str | None = None
    description: str | None = None


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One condition with its tokens.

    Attributes:
        assets: In outcome order; two of them in every market that trades.
        end_at: When trading is planned to end (aware UTC), or None when unknown.
        started_at: Gamma's startDate (aware UTC), or None.
        active: Gamma says that it trades. False for a market that is known from the feed's
            announcement alone.
        closed: Gamma reports that trading ended, which does not mean that it resolved.
        version: `v1` (CTF tokens) or `v2` (positions).
        volume: USDC traded so far as the source reports it, or None.
        tags: Slugs of the tags, lower case.
        details: What only readers of the data need; None where it was not listed, or is dropped.
    """

    condition_id: ConditionId
    question: str
    slug: str
    assets: tuple[Asset, ...]
    gamma_id: str | None = None
    end_at: datetime | None = None
    started_at: datetime | None = None
    closed: bool = False
    active: bool = True
    neg_risk: bool = False
    version: str = "v1"
    volume: Decimal | None = None
    tags: tuple[str, ...] = ()
    details: Details | None = None

    @property
    def token_ids(self) -> tuple[TokenId, ...]:
        """Return the token ids in outcome order."""
        return tuple(asset.token_id for asset in self.assets)


def without_details(markets: Sequence[Market]) -> tuple[Market, ...]:
    """Return the markets as those need them who do not store them."""
    return tuple(
        each if each.details is None else msgspec.structs.replace(each, details=None)
        for each in markets
    )


def without_description(market: Market) -> Market:
    """Return the market without its longest text."""
    if market.details is None or market.details.description is None:
        return market
    details = msgspec.structs.replace(market.details, description=None)
    return msgspec.structs.replace(market, details=details)


class Shard(msgspec.Struct, frozen=True):
    """The share of all markets that is this tracker's: shard `number` of `count`, from 1.

    When several trackers divide the markets among themselves, each has a shard. The shard of a
    market is found by rendezvous hashing: of all shard numbers the one whose digest together with
    the market's id is greatest. Trackers need not know of each other, and when one is added, only
    the markets of its own shard change hands.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard that a text like `2/3` means.

        Raises:
            ValueError: It means none.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal()) or not 1 <= int(number) <= int(count):
            raise ValueError(f"{text!r} is no shard; the second of three is 2/3")
        return cls(int(number), int(count))

    def holds(self, condition_id: ConditionId) -> bool:
        """Return whether this market belongs to this shard."""
        if self.count == 1:
            return True
        ours = _weight(condition_id, self.number)
        others = (n for n in range(1, self.count + 1) if n != self.number)
        return all(ours > _weight(condition_id, other) for other in others)


def _weight(condition_id: ConditionId, number: int) -> bytes:
    """Return the digest; ids that differ only in the case of a digit are the same market."""
    return blake2b(f"{number}:{condition_id.lower()}".encode(), digest_size=8).digest()


def is_outcome(payouts: Sequence[Decimal]) -> bool:
    """Return whether these finite numbers are the payouts of a winner (1, 0) or a split (½, ½)."""
    return sorted(payouts) in ([NOTHING, ALL], [HALF, HALF])


# -------------------------------------------------------- what sources report


class Source(StrEnum):
    """A source that reports outcomes."""

    GAMMA = "gamma"
    CLOB = "clob"
    DATA = "data"
    CHAIN = "chain"


class Naming(StrEnum):
    """How an answer names the token that pays. The texts are stored."""

    BY_ID = "token id"
    OWN_LIST = "own list"
    """By a place among the outcomes, which the same answer lists with their tokens."""
    COMPUTED_SLOT = "computed slot"
    """By a slot of the contract; which token that is follows from the condition id."""
    BOTH_ALIKE = "both alike"
    """Both tokens have the same payout, so nothing need be named."""


def naming_of(payouts: Sequence[tuple[TokenId, Decimal]] | None, naming: Naming) -> Naming:
    """Return how these payouts name their tokens, where `naming` holds for those of a winner."""
    return Naming.BOTH_ALIKE if payouts and len({share for _, share in payouts}) == 1 else naming


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one source reported about one market at one time.

    Attributes:
        payouts: (token id, payout) of each token when the source reports a final
            outcome: payouts in 0..1 that add up to 1. None when it is not final.
        reason: Why it is not final, in one stable phrase; empty when it is.
        payload: The part of the answer that shows it, as JSON text.
        naming: How it names the token that pays; means nothing without payouts.
        mapped_by: The other sources whose word it takes for which token is meant. Of the sources
            of this version none does; the Data API did in observations that an earlier one stored.
        names: (token id, name of its outcome) as this answer tells them; empty when it tells none.
        generated_at_ms: When the source made the answer, which a cache may have kept; None: when
            it was observed.
    """

    condition_id: ConditionId
    source: Source
    observed_at_ms: int
    payouts: tuple[tuple[TokenId, Decimal], ...] | None
    reason: str
    payload: str
    naming: Naming = Naming.BY_ID
    mapped_by: tuple[Source, ...] = ()
    names: tuple[tuple[TokenId, str], ...] = ()
    generated_at_ms: int | None = None

    @property
    def made_at_ms(self) -> int:
        """Return when the source made the answer."""
        return self.observed_at_ms if self.generated_at_ms is None else self.generated_at_ms


# ----------------------------------------------------------- what is recorded


class TokenPayout(msgspec.Struct, frozen=True, kw_only=True):
    """What one token pays.

    Attributes:
        outcome: Its name as two sources told it alike; None where no two did.
        payout: Share of a dollar.
    """

    token_id: TokenId
    outcome: str | None
    payout: Decimal


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a market, recorded once and never changed.

    Attributes:
        kind: `winner` or `split`.
        winning_token_id: None for a split.
        winning_outcome: None for a split, and while no two sources name it alike.
        payouts: In outcome order, sum 1.
        by_token: The same payouts, each with its token.
        evidence: The last observation of each source that agreed, oldest first. Empty when read
            back from the database.
        resolved_at_ms: When the market resolved as Gamma reports it, or, when it does not, the time
            from which a source was final.
        sources: Those that agreed, in alphabetical order.
    """

    condition_id: ConditionId
    kind: str
    winning_token_id: TokenId | None
    winning_outcome: str | None
    payouts: tuple[Decimal, ...]
    resolved_at_ms: int
    sources: tuple[Source, ...]
    by_token: tuple[TokenPayout, ...] = ()
    evidence: tuple[Observation, ...] = ()


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """A source that agrees with a recorded resolution, and was not among those that decided it.

    Attributes:
        confirmed_at_ms: When its answer was observed.
    """

    condition_id: ConditionId
    source: Source
    confirmed_at_ms: int


def named_outcome(outcome: str, names: Mapping[str, str]) -> str:
    """Return what is stored of an outcome with the names of its tokens, by their ids.

    >>> named_outcome("winner 7139", {"7139": "Yes"})
    'winner Yes (7139)'
    """
    words = outcome.split(" ")
    return " ".join(f"{names[word]} ({word})" if word in names else word for word in words)


class ContradictionKind(StrEnum):
    """What sources contradict each other about. The texts are stored."""

    OUTCOME = "outcome"
    MAPPING = "mapping"
    """Which token has which name."""


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A final observation that differs from the recorded resolution or from another source.

    With nothing recorded yet, a contradiction between two sources is stored in the same form:
    `recorded` then holds what the other sources report. It is open until it is cleared, and one
    that is open is not opened again, whichever source repeats it.

    Attributes:
        recorded: The recorded outcome, or what the other sources report.
        observed: What `source` reports.
    """

    condition_id: ConditionId
    detected_at_ms: int
    recorded: str
    observed: str
    source: Source
    kind: ContradictionKind = ContradictionKind.OUTCOME


class Clearance(msgspec.Struct, frozen=True, kw_only=True):
    """The end of all open contradictions of one kind about a market.

    Attributes:
        reason: Why it is none any more, such as `sources agree`.
    """

    condition_id: ConditionId
    kind: ContradictionKind
    cleared_at_ms: int
    reason: str


class MarketState(StrEnum):
    """How far a market has come on its way to a resolution. The texts are stored."""

    OPEN = "open"
    ENDED = "ended"
    PROPOSED = "proposed"
    DISPUTED = "disputed"
    HOLDING = "agreed-holding"
    RECORDED = "recorded"
    CONFLICT = "conflict"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the state of a market.

    Attributes:
        at_ms: Later than the transition before of the same market.
        reason: What the market waits for now, or what caused the change.
    """

    condition_id: ConditionId
    at_ms: int
    before: MarketState
    after: MarketState
    reason: str


TRACKER = "tracker"
"""The source with which transitions are stored, among the observations of the sources."""


class EndedMarkets(msgspec.Struct, frozen=True, kw_only=True):
    """The markets that ended between 25 hours and one hour ago.

    Attributes:
        overdue: Those of them about which no source has had a final answer.
        without: (source, about how many of them it has had none).
    """

    ended: int
    overdue: int
    without: tuple[tuple[Source, int], ...]


# ----------------------------------------- what is read back from the database


class StoredEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The stored evidence on markets that have no resolution.

    Attributes:
        observations: The last one of each source, dated when that source first
            reported it; without payload.
        states: (market, its last state, since when).
        contradicted: Markets about which sources contradicted each other at some time.
        acknowledged: (market, kind, the two reports) of contradictions that a person has ended.
    """

    observations: tuple[Observation, ...] = ()
    states: tuple[tuple[ConditionId, MarketState, int], ...] = ()
    contradicted: tuple[ConditionId, ...] = ()
    acknowledged: tuple[tuple[ConditionId, ContradictionKind, frozenset[str]], ...] = ()


RECHECKS_MS = (
    600_000,
    3_600_000,
    6 * 3_600_000,
    24 * 3_600_000,
    3 * 24 * 3_600_000,
    7 * 24 * 3_600_000,
)
"""Ages of a resolution at which the sources are asked about its market again."""


class Recheck(msgspec.Struct, frozen=True, kw_only=True):
    """A stored resolution that is to be checked again.

    Attributes:
        recorded_at_ms: When the database stored the resolution.
        due_at_ms: When the next recheck falls due.
        contradicted_by: (source, what it reported) of each contradiction that is stored.
    """

    resolution: Resolution
    market: Market
    recorded_at_ms: int
    due_at_ms: int
    contradicted_by: tuple[tuple[Source, str], ...] = ()


class TimeWindow(msgspec.Struct, frozen=True):
    """The times after `since_ms` and until `until_ms`.

    Attributes:
        since_ms: None: from ten minutes before the last stored evidence.
    """

    since_ms: int | None
    until_ms: int
