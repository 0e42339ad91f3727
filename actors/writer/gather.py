"""What the next transaction will carry, gathered from messages or from the journal.

`TradeBatch` gathers what is in the journal, `FindingsBatch` what is not; `to_batch` makes one
transaction of both. `replay` decodes journalled frames again.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from actors.model import facts
from actors.model.audit import Audit
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    Market,
    Observation,
    Resolution,
    Transition,
)
from actors.model.storage import Batch, ConnectionEvent, RejectedRow
from actors.model.trade import (
    Rejection,
    Trade,
    canonical_decimal,
    size_in_trades,
    trade_hashes,
)
from actors.polymarket import channel
from actors.polymarket.alike import MOST_ALIKE, set_aside
from actors.polymarket.events import trade_hidden_in
from actors.writer.feed_comparison import Disputed

PLACE_BITS: Final = 20
"""A record holds less than a million trades: the place in it is so many bits of a sequence."""
_MOST_KINDS = 10
"""So many kinds of records that are not understood are told apart."""

Finding = Observation | Transition | Resolution | Confirmation | Contradiction | Clearance | Audit


class TradeBatch:
    """Gathers trades, rejections and facts with the journal sequences of their records.

    Attributes:
        hashes: The `trade_hash` of each trade.
        origins: The epoch of each trade, and its sequence there.
        ranges: First and last sequence of records that follow each other.
        records: How many records there are in all.
        recovered: Trades and rejections that an earlier process journalled.
        unknown: How many records of each kind this version does not understand.
        to_end: The journal was read to the end that it had when the reading began.
        lost: The first sequence that could not be read and that no transaction had stored, and
            when the record before it was written (0: not known); None: all was read.
        rejected_size: As how many trades the rejections count, see `size_in_trades`.
    """

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.hashes: list[int] = []
        self.origins: list[tuple[int, int]] = []
        self.rejections: list[RejectedRow] = []
        self.facts: list[tuple[int, facts.Fact]] = []
        self.ranges: list[tuple[int, int]] = []
        self.records = 0
        self.recovered = 0
        self.unknown: Counter[str] = Counter()
        self.to_end = False
        self.lost: tuple[int, int] | None = None
        self.rejected_size = self._tokens = 0

    def add_frames(
        self,
        seq: int,
        connection: str,
        trades: Sequence[Trade],
        hashes: Sequence[int],
        rejections: Sequence[Rejection] = (),
        epoch: int = 0,
    ) -> None:
        """Add what the frames of one record held, with the `trade_hash` of each trade."""
        self._add_record(seq)
        self.trades.extend(trades)
        self.hashes.extend(hashes)
        if trades:
            # The order of receipt in the epoch: that of the records, and within each of them.
            first = (seq - epoch) << PLACE_BITS
            self.origins.extend([(epoch, first + place) for place in range(len(trades))])
        if rejections:
            self.rejected_size += size_in_trades(rejections)
            self.rejections.extend(
                RejectedRow(
                    seq=seq,
                    index=index,
                    connection=connection,
                    rejection=rejection,
                    epoch=epoch,
                    doubts=trade_hidden_in(rejection.payload) if epoch else (),
                )
                for index, rejection in enumerate(rejections)
            )

    def add_fact(self, seq: int, fact: facts.Fact) -> None:
        """Add one fact about coverage."""
        self._add_record(seq)
        self.facts.append((seq, fact))
        # In the database a fact becomes a row for each of its tokens, of
        # which it may name thousands.
        self._tokens += len(getattr(fact, "tokens", ()))

    def add_entry(self, entry: facts.Entry, *, opened_at_seq: int) -> None:
        """Add a record as read from the journal; one that cannot be decoded becomes a rejection.

        From that one on nothing counts as covered until the connections of its time have ended: it
        may hold trades, or a fact that ends coverage.

        Args:
            entry: Where it stands in the journal, and its bytes.
            opened_at_seq: The first sequence that this process journalled.
        """
        before, ours = self._weight, entry.seq >= opened_at_seq
        try:
            record = facts.decode(entry.body)
        except msgspec.DecodeError:
            # Stored and stepped over: a record that stopped the reader
            # would stop it at every start.
            undecoded = Rejection(
                reason="journal record of an unknown kind",
                payload=entry.body,
                received_at_ns=entry.at_ns,
            )
            self.add_frames(entry.seq, "journal", (), (), (undecoded,))
            self.facts.append((entry.seq, facts.RangeLost(entry.seq, entry.seq)))
            self._add_unknown(facts.kind_of(entry.body))
        else:
            self._add_decoded(entry.seq, record, ours=ours)
        if not ours:
            self.recovered += self._weight - before

    def _add_decoded(self, seq: int, record: facts.Record, *, ours: bool) -> None:
        if isinstance(record, facts.FrameSeen):
            record = record.as_frames
        if not isinstance(record, facts.FramesSeen):
            self.add_fact(seq, record)
            return
        trades, rejections = replay(record)
        # Another version may have decoded other trades from the same frames.
        known = ours and not rejections and len(record.hashes) == len(trades)
        hashes = record.hashes if known else trade_hashes(trades)
        self.add_frames(seq, record.connection, trades, hashes, rejections, record.epoch)

    def _add_unknown(self, kind: str) -> None:
        named = kind in self.unknown or len(self.unknown) < _MOST_KINDS
        self.unknown[kind if named else ""] += 1

    def _add_record(self, seq: int) -> None:
        self.records += 1
        first = seq
        if self.ranges and self.ranges[-1][1] == seq - 1:
            first, _ = self.ranges.pop()
        self.ranges.append((first, seq))

    @property
    def _weight(self) -> int:
        return len(self.trades) + len(self.rejections)

    @property
    def size(self) -> tuple[int, int]:
        """Return (trades, records).

        Each token that a record names counts as one more record, and rejections as trades, long
        ones as several: so memory and the transaction are bounded by both.
        """
        return len(self.trades) + self.rejected_size, self.records + self._tokens


class FindingsBatch:
    """Gathers what the journal does not hold, with the tickets of its senders."""

    def __init__(self) -> None:
        self.markets: list[Market] = []
        self.observations: list[Observation] = []
        self.transitions: list[Transition] = []
        self.resolutions: list[Resolution] = []
        self.confirmations: list[Confirmation] = []
        self.contradictions: list[Contradiction] = []
        self.clearances: list[Clearance] = []
        self.audits: list[Audit] = []
        self.catalog_tickets: list[int] = []
        self.resolution_tickets: list[int] = []
        self.audit_tickets: list[int] = []

    def add(self, ticket: int, finding: Finding) -> None:
        """Add what the resolution actor sent, or an audit."""
        if isinstance(finding, Audit):
            self.audits.append(finding)
            self.audit_tickets.append(ticket)
            return
        self.resolution_tickets.append(ticket)
        match finding:
            case Observation():
                self.observations.append(finding)
            case Transition():
                self.transitions.append(finding)
            case Resolution():
                self.resolutions.append(finding)
            case Confirmation():
                self.confirmations.append(finding)
            case Contradiction():
                self.contradictions.append(finding)
            case Clearance():
                self.clearances.append(finding)

    def __bool__(self) -> bool:
        return bool(self.catalog_tickets or self.resolution_tickets or self.audit_tickets)


def to_batch(
    gathered: TradeBatch,
    findings: FindingsBatch,
    events: tuple[ConnectionEvent, ...],
    watermark: int,
) -> Batch:
    """Return one transaction; facts in the order of their sequence."""
    return Batch(
        trades=tuple(gathered.trades),
        hashes=tuple(gathered.hashes),
        origins=tuple(gathered.origins),
        rejections=tuple(gathered.rejections),
        # Connections append and send in parallel threads, so messages may arrive out of order.
        facts=tuple(sorted(gathered.facts, key=lambda fact: fact[0])),
        events=events,
        markets=tuple(findings.markets),
        observations=tuple(findings.observations),
        transitions=tuple(findings.transitions),
        resolutions=tuple(findings.resolutions),
        confirmations=tuple(findings.confirmations),
        contradictions=tuple(findings.contradictions),
        clearances=tuple(findings.clearances),
        audits=tuple(findings.audits),
        watermark=watermark,
    )


def mark(disputed: Disputed) -> ConnectionEvent:
    """Return the event by which a disputed trade is marked in the database.

    Its reason names the row: token, milliseconds since 1970, occurrence, price, size.
    """
    trade = disputed.trade
    amounts = f"{canonical_decimal(trade.price)} {canonical_decimal(trade.size)}"
    return ConnectionEvent(
        at_ns=trade.received_at_ns,
        connection=disputed.slot,
        event=disputed.how,
        reason=f"{trade.token_id} {trade.traded_at_ms} {trade.occurrence} {amounts}",
    )


def replay(frames: facts.FramesSeen) -> tuple[tuple[Trade, ...], tuple[Rejection, ...]]:
    """Decode journalled frames again; return trades and rejections with journalled occurrences.

    Occurrence 0 leaves a trade out: it is that of a canary. One that is too large rejects it, as it
    did then. Another version may have found other trades in these frames; each of them keeps its
    occurrence, whatever this one finds beside it.
    """
    numbers = frames.trade_occurrences
    decoded = channel.decode_numbered(frames.raws, frames.received_at_ns, len(numbers))
    rejections = decoded.rejections
    if rejections:
        rejections = _numbered(frames, decoded)
    if len(numbers) != len(decoded.trades):
        numbers = _numbers(frames, decoded)
    if numbers.count(1) == len(numbers):
        return decoded.trades, rejections
    rejections += set_aside(decoded, numbers).rejections[len(rejections) :]
    trades = tuple(
        msgspec.structs.replace(trade, occurrence=number)
        for trade, number in zip(decoded.trades, numbers, strict=True)
        if 0 < number <= MOST_ALIKE
    )
    return trades, rejections


def _numbered(frames: facts.FramesSeen, decoded: channel.Decoded) -> tuple[Rejection, ...]:
    """Return the rejections with their occurrences; what has none counts within this record."""
    events, after = _events(frames, decoded), decoded.rejected_after
    if events is not None:
        numbers = [events[place + before] for place, before in enumerate(after)]
    else:
        counts: Counter[bytes] = Counter()
        numbers = []
        for rejection in decoded.rejections:
            counts[rejection.payload] += 1
            numbers.append(counts[rejection.payload])
    return tuple(
        msgspec.structs.replace(rejection, occurrence=number)
        for rejection, number in zip(decoded.rejections, numbers, strict=True)
    )


def _events(frames: facts.FramesSeen, decoded: channel.Decoded) -> list[int] | None:
    """Return the number of each event, trade or not; None if they are others than then."""
    numbers, rejected = frames.trade_occurrences, frames.rejected
    if len(numbers) + len(rejected) != len(decoded.trades) + len(decoded.rejected_after):
        return None
    events = list(numbers)
    for event in reversed(rejected):
        events.insert(event.trades_before, event.occurrence)
    return events


def _numbers(frames: facts.FramesSeen, decoded: channel.Decoded) -> tuple[int, ...]:
    """Return the occurrence of each decoded trade."""
    numbers, events = frames.trade_occurrences, _events(frames, decoded)
    count, after = len(decoded.trades), decoded.rejected_after
    if events is not None:
        return tuple(events[place + bisect_right(after, place)] for place in range(count))
    if len(frames.hashes) == len(numbers) - numbers.count(0):
        return _numbers_by_hash(frames.hashes, set(numbers) - {0}, decoded.trades)
    return (*numbers[:count], *(1 for _ in range(count - len(numbers))))


def _numbers_by_hash(
    hashes: Sequence[int], numbers: set[int], trades: Sequence[Trade]
) -> tuple[int, ...]:
    """Return the number with which each trade has one of these hashes.

    The others were not found by the version that wrote the record, or are of a canary; each is
    numbered among those of this record that are alike. One of a canary is stored already.
    """
    found = dict.fromkeys(range(len(trades)), 0)
    left = Counter(hashes)
    for number in sorted(numbers):
        numbered = [msgspec.structs.replace(trade, occurrence=number) for trade in trades]
        for place, digest in enumerate(trade_hashes(numbered)):
            if not found[place] and left[digest]:
                left[digest] -= 1
                found[place] = number
    others: Counter[Trade] = Counter()
    for place, number in found.items():
        if not number:
            others[trades[place]] += 1
            found[place] = others[trades[place]]
    return tuple(found.values())
