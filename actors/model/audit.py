"""An audit: one hour of one market, as it is stored and as a witness lists it.

A witness shares nothing with the feed. What it lists is compared and counted, and never stored as
a trade. Times are wall clock milliseconds since 1970.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from actors.model.trade import ConditionId, TokenId


class Witness(StrEnum):
    """Who is asked what was traded."""

    DATA = "data"
    """The Data API, which lists what was settled on the chain."""
    CHAIN = "chain"
    """The logs of the exchange's contracts."""
    RTDS = "rtds"
    """The stream of all markets' matches."""


class AuditResult(StrEnum):
    """What an audit found."""

    COMPLETE = "complete"
    """All that the witness lists is stored, and it lists all that is stored."""
    MISSING = "missing"
    """The witness lists trades that are not stored."""
    UNKNOWN = "unknown"
    """Nothing is missing of what the witness lists, and it does not list, or show, all of it."""


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of a witness: shares of a token that changed hands in a transaction.

    Attributes:
        at_ms: The time of its block, which is seconds after the trade; whole seconds.
    """

    token_id: TokenId
    transaction: str
    size: Decimal
    price: Decimal
    at_ms: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a witness told of a market, newest first, as far back as it was asked.

    Attributes:
        fills: Those since the time that was asked for, of any token.
        made_at_ms: When its oldest page was made; a cache may have had it for a while.
        is_whole: It was read to that time, or to its end.
        is_known: It lists anything of this market, whenever that was.
        rejected: (reason, how many rows or pages could not be used).
        pages: How many were read.
        clock_wrong: Our clock differs from that of the witness.
    """

    fills: tuple[Fill, ...] = ()
    made_at_ms: int = 0
    is_whole: bool = False
    is_known: bool = False
    rejected: tuple[tuple[str, int], ...] = ()
    pages: int = 0
    clock_wrong: bool = False


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How the stream of all markets is.

    Attributes:
        state: `connecting`, `ok`, or why it was lost last.
        kept: Matches that are kept for comparison.
        markets: Markets of these.
        share: Of all markets the share that is kept.
        matches_total: Matches that it told since the child started.
        lost_total: How often it was lost since then, frozen or ended.
        frozen_total: How often of these it was open and told nothing.
        rejected_total: Messages that could not be used.
        last_ms: When it told something last; None: not yet.
    """

    state: str = "off"
    kept: int = 0
    markets: int = 0
    share: float = 1.0
    matches_total: int = 0
    lost_total: int = 0
    frozen_total: int = 0
    rejected_total: int = 0
    last_ms: int | None = None


class StoredSum(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is stored of one token in one transaction.

    Attributes:
        transaction: None: the feed named none.
        size: Of all its trades together.
        first_ms, last_ms: When the first and the last were traded, by the exchange.
    """

    token_id: TokenId
    transaction: str | None
    size: Decimal
    first_ms: int
    last_ms: int


class HourQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a market from one time to another?"""

    condition_id: ConditionId
    from_ms: int
    until_ms: int


class StoredHour(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `HourQuestion`.

    Attributes:
        tokens: Those of the market.
        sums: Of all its trades in that time.
        covered: (token, since, until) of listening that overlaps it.
        is_whole: These are all; else there were too many to be read.
    """

    tokens: tuple[TokenId, ...] = ()
    sums: tuple[StoredSum, ...] = ()
    covered: tuple[tuple[TokenId, int, int], ...] = ()
    is_whole: bool = True


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A market whose hour may be audited.

    Attributes:
        touched: Listening to it began or ended in that hour, or another connection took it over.
        traded: A trade of it is stored in that hour.
    """

    condition_id: ConditionId
    touched: bool = False
    traded: bool = False


class SampleQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which markets may be audited for one hour?

    Attributes:
        witness: Who is to be asked.
        from_ms, until_ms: The hour.
        probe_ms: A moment in it: markets that traded then and soon after it are named.
        after: Markets with a condition id from here on are named, traded or not.
        again_ms: An audit before that time is made again.
    """

    witness: Witness
    from_ms: int
    until_ms: int
    probe_ms: int
    after: ConditionId
    again_ms: int


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `SampleQuestion`."""

    candidates: tuple[Candidate, ...] = ()


class SummaryQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What did the audits since a time find, whichever tracker made them?"""

    since_ms: int


class AuditSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `SummaryQuestion`.

    Attributes:
        results: (result, audits).
        theirs: What witnesses listed, transaction by transaction and token by token.
        missing: Of it, what is not stored.
        outside_gaps: Of that, what was traded while the token was listened to.
        proven: Hours of markets with such, as two witnesses or the chain say.
        checked_at_ms: When the last audit was made; None: there was none.
        eventful: Beginnings of whole hours since then in which a connection began or ended.
        disputed: Markets with an hour (its beginning) of which something outside gaps is missing,
            the latest hours first; not all when there are many.
    """

    results: tuple[tuple[str, int], ...] = ()
    theirs: int = 0
    missing: int = 0
    outside_gaps: int = 0
    proven: int = 0
    checked_at_ms: int | None = None
    eventful: tuple[int, ...] = ()
    disputed: tuple[tuple[ConditionId, int], ...] = ()


AuditQuestion = HourQuestion | SampleQuestion | SummaryQuestion
AuditAnswer = StoredHour | Sample | AuditSummary


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found; its numbers count tokens in transactions, whatever their trades.

    Attributes:
        hour_ms: When the hour begins.
        theirs: What the witness lists in that hour.
        ours: What is stored in that hour.
        missing: What the witness lists and is not stored, or less of it.
        outside_gaps: Of that, what was traded while the token was listened to.
        unmatched: What is stored and the witness does not list, or less of it.
        evidence: Why, as the text of a JSON object.
    """

    condition_id: ConditionId
    hour_ms: int
    witness: Witness
    theirs: int
    ours: int
    missing: int
    outside_gaps: int
    unmatched: int
    result: AuditResult
    checked_at_ms: int
    evidence: str
