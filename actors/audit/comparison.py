"""Compares what is stored of one hour of a market with what a witness lists.

A stored trade is the total of one taker's order at one price; a witness lists fills. What both
have is the transaction and the token, so the sums of size for these two are compared. The time of
a block is seconds after the trade, so transactions are looked for beyond the hour, and what stands
near its edges is no proof against the witness.

Whatever the witness is known to get wrong makes the result `unknown`: it is `complete` only where
the witness lists all that is stored, and a trade counts as missing only when nothing that is stored
can be the same trade under another name.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from actors.model.audit import Audit, AuditResult, Fill, StoredHour, Told, Witness
from actors.model.conversion import iso
from actors.model.trade import ConditionId, TokenId, canonical_decimal

HOUR_MS: Final = 3_600_000
EDGE_MS: Final = 60_000
"""So far from the edges of the hour the times of both sides may differ."""
MARGIN_MS: Final = 600_000
"""What is stored is read so far beyond the hour: a block may come late."""
SETTLED_MS: Final = 300_000
"""A witness lists everything so long after it was traded."""
FLOOR: Final = Decimal("0.01")
"""Shares: smaller trades, and smaller differences, are not judged. The Data API leaves them out."""
FEW_MISSING: Final = 3
"""So many in an hour of a market are believed of a witness that nobody documents, or a tenth."""
SHOWN: Final = 5
"""So many of a kind stand in the evidence."""

Key = tuple[str, TokenId]
"""(transaction, token)."""
Missing = tuple[Key, Decimal, bool]
"""What is missing, how much of it, whether the token was listened to."""


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of one market.

    Attributes:
        hour_ms: When it begins.
        length_ms: How long it is; shorter in rehearsals.
        edge_ms: See `EDGE_MS`.
        settled_ms: See `SETTLED_MS`.
    """

    condition_id: ConditionId
    hour_ms: int
    length_ms: int = HOUR_MS
    edge_ms: int = EDGE_MS
    settled_ms: int = SETTLED_MS

    @property
    def end_ms(self) -> int:
        """Return when it ends."""
        return self.hour_ms + self.length_ms

    @property
    def told_since_ms(self) -> int:
        """Return how far back a witness must be read."""
        return self.hour_ms - self.edge_ms

    def has(self, at_ms: int) -> bool:
        """Return whether a time is in it."""
        return self.hour_ms <= at_ms < self.end_ms

    def surely_has(self, first_ms: int, last_ms: int) -> bool:
        """Return whether a time span is in it, and not near its edges."""
        return first_ms >= self.hour_ms + self.edge_ms and last_ms < self.end_ms - self.edge_ms


class _Listed:
    """What a witness lists for one token in one transaction."""

    def __init__(self) -> None:
        self.size = Decimal(0)
        self.at_ms = 0
        self._once: set[Fill] = set()

    def add(self, fill: Fill) -> None:
        self.at_ms = min(self.at_ms, fill.at_ms) if self._once else fill.at_ms
        self._once.add(fill)
        self.size += fill.size

    @property
    def once(self) -> Decimal:
        """Return the size when rows that are alike count once."""
        return sum((each.size for each in self._once), Decimal(0))


class _Stored:
    """What is stored for one token in one transaction."""

    def __init__(self, size: Decimal, first_ms: int, last_ms: int) -> None:
        self.size, self.first_ms, self.last_ms = size, first_ms, last_ms


class Comparison:
    """Compares one hour; made for that hour.

    Attributes:
        theirs, ours: What each side has in that hour.
        missing: (transaction and token, how much, whether the token was listened to).
        explained: What would be missing, if it could not be stored under another transaction.
        unmatched: What is stored and not listed, and how much of it.
        reasons: Why the witness is no judge, and how often.
    """

    def __init__(self, hour: Hour, stored: StoredHour, told: Told) -> None:
        self._hour = hour
        self._listed: defaultdict[Key, _Listed] = defaultdict(_Listed)
        self._stored: dict[Key, _Stored] = {}
        self._nameless: list[tuple[TokenId, _Stored]] = []
        self._covered = _spans(stored.covered)
        # Stored and not listed, by token: (when, how much).
        self._spare: defaultdict[TokenId, list[tuple[int, Decimal]]] = defaultdict(list)
        self._told_until_ms = told.made_at_ms - hour.edge_ms
        self.reasons: Counter[str] = Counter()
        self.missing: list[Missing] = []
        self.explained: list[Key] = []
        self.unmatched: list[tuple[Key, Decimal]] = []
        tokens = frozenset(stored.tokens)
        for fill in told.fills:
            if fill.token_id in tokens:
                self._listed[fill.transaction, fill.token_id].add(fill)
            elif hour.has(fill.at_ms):
                self.reasons["other tokens"] += 1
        for each in stored.sums:
            found = _Stored(each.size, each.first_ms, each.last_ms)
            if each.transaction is None:
                self._nameless.append((each.token_id, found))
            else:
                self._stored[each.transaction, each.token_id] = found
        self.theirs = sum(hour.has(each.at_ms) for each in self._listed.values())
        own = [*self._stored.values(), *(found for _, found in self._nameless)]
        self.ours = sum(hour.has(each.first_ms) for each in own)

    def run(self) -> None:
        """Find what the one side has and the other has not."""
        self._find_unmatched()
        lacking: list[tuple[Key, Decimal]] = []
        for key, listed in self._listed.items():
            stored = self._stored[key].size if key in self._stored else Decimal(0)
            if not self._hour.has(listed.at_ms) or listed.size - stored < FLOOR:
                continue
            if listed.once - stored < FLOOR:
                self.reasons["rows told twice"] += 1
            else:
                lacking.append((key, listed.once - stored))
        self._judge(lacking)

    def _find_unmatched(self) -> None:
        """Collect what the witness does not list, or lists less of."""
        own: list[tuple[Key, _Stored]] = list(self._stored.items())
        own += [(("", token), found) for token, found in self._nameless]
        for key, found in own:
            listed = self._listed.get(key)
            # Of what is older or newer the witness was not asked.
            if not self._hour.told_since_ms <= found.first_ms < self._told_until_ms:
                continue
            # Rows that are alike may be one that was told twice, and so hide what is not listed.
            spare = found.size - (listed.once if listed else Decimal(0))
            if spare > 0:
                self._spare[key[1]].append((found.first_ms, spare))
            left = found.size - (listed.size if listed else Decimal(0))
            if left <= 0 or (listed is not None and left < FLOOR):
                continue
            if self._hour.surely_has(found.first_ms, found.last_ms):
                self.unmatched.append((key, left))
                self.reasons[_why_unlisted(key, left, listed)] += 1

    def _judge(self, lacking: Sequence[tuple[Key, Decimal]]) -> None:
        """Keep what is missing, but for what may be stored under another transaction."""
        for key, size in lacking:
            token, at_ms = key[1], self._listed[key].at_ms
            if size - self._spare_near(token, at_ms) < FLOOR:
                self.reasons["another transaction"] += 1
                self.explained.append(key)
            else:
                self.missing.append((key, size, self._was_heard(token, at_ms)))

    def _spare_near(self, token: TokenId, at_ms: int) -> Decimal:
        """Return the size of all stored trades near a time that the witness does not list."""
        near = (size for first_ms, size in self._spare[token] if abs(at_ms - first_ms) <= MARGIN_MS)
        return sum(near, Decimal(0))

    def _was_heard(self, token: TokenId, at_ms: int) -> bool:
        """Return whether the token was listened to all the time in which this was traded."""
        since, until = at_ms - self._hour.edge_ms, at_ms + 1_000
        return any(begin <= since and until <= end for begin, end in self._covered.get(token, ()))

    def disbelieve_much(self) -> None:
        """Take a witness that nobody documents for wrong when much of what it lists is missing.

        What it means by a row may have changed, as it has before.
        """
        if len(self.missing) > max(FEW_MISSING, self.theirs // 10):
            self.reasons["much listed otherwise"] += len(self.missing)
            self.missing.clear()

    def listed_at(self, key: Key) -> int:
        """Return when the witness says that something was traded."""
        return self._listed[key].at_ms

    def listed_size(self, key: Key) -> Decimal:
        """Return how much the witness lists; rows that are alike count once."""
        return self._listed[key].once if key in self._listed else Decimal(0)

    def stored_in_hour(self, transactions: Collection[str]) -> int:
        """Return how much of these transactions is stored in that hour, by token."""
        return sum(
            key[0] in transactions and self._hour.has(found.first_ms)
            for key, found in self._stored.items()
        )


def _why_unlisted(key: Key, left: Decimal, listed: _Listed | None) -> str:
    """Return why the witness is no judge of what it does not list."""
    if not key[0]:
        return "trades without a transaction"
    if left < FLOOR:
        return "small trades not listed"
    return "trades not listed" if listed is None else "trades listed in part"


def _spans(covered: Iterable[tuple[TokenId, int, int]]) -> dict[TokenId, list[tuple[int, int]]]:
    """Return the time spans of listening by token; those that touch are one."""
    found: dict[TokenId, list[tuple[int, int]]] = {}
    for token, begin, end in sorted(covered):
        spans = found.setdefault(token, [])
        if spans and begin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((begin, end))
    return found


def examine(hour: Hour, stored: StoredHour, told: Told) -> Comparison:
    """Return what each side has of one hour of a market, and the other has not."""
    found = Comparison(hour, stored, told)
    found.run()
    return found


def compare(
    hour: Hour, stored: StoredHour, told: Told, *, witness: Witness, checked_at_ms: int
) -> Audit:
    """Return the audit of one hour of a market."""
    found = examine(hour, stored, told)
    if witness is Witness.RTDS:
        found.disbelieve_much()
    reasons = [*_doubts(hour, stored, told), *found.reasons]
    outside = sum(heard for _, _, heard in found.missing)
    result = AuditResult.COMPLETE
    if found.missing:
        result = AuditResult.MISSING
    elif reasons:
        result = AuditResult.UNKNOWN
    return Audit(
        condition_id=hour.condition_id,
        hour_ms=hour.hour_ms,
        witness=witness,
        theirs=found.theirs,
        ours=found.ours,
        missing=len(found.missing),
        outside_gaps=outside,
        unmatched=len(found.unmatched),
        result=result,
        checked_at_ms=checked_at_ms,
        evidence=evidence(found, told, reasons),
    )


def _doubts(hour: Hour, stored: StoredHour, told: Told) -> Iterator[str]:
    """Yield why the two sides cannot be compared as a whole."""
    if not stored.is_whole:
        yield "too many trades stored"
    if not stored.tokens:
        yield "tokens not known"
    if not told.is_whole:
        yield "too many pages"
    if not told.is_known:
        yield "market not listed"
    if told.rejected:
        yield "rows rejected"
    if told.clock_wrong:
        yield "clock wrong"
    if told.made_at_ms < hour.end_ms + hour.settled_ms:
        yield "answer too old"


def evidence(found: Comparison, told: Told, reasons: Sequence[str]) -> str:
    """Return the JSON that shows why; without anything about persons."""
    kept = {
        "reasons": reasons,
        "counts": dict(found.reasons),
        "missing": [
            {
                "transaction": key[0],
                "token_id": key[1],
                "size": canonical_decimal(size),
                "at": iso(found.listed_at(key) * 1_000_000),
                "listened": heard,
            }
            for key, size, heard in found.missing[:SHOWN]
        ],
        "unmatched": [
            {"transaction": key[0] or None, "token_id": key[1], "size": canonical_decimal(size)}
            for key, size in found.unmatched[:SHOWN]
        ],
        "rejected": dict(told.rejected),
        "pages": told.pages,
        "made_at": iso(told.made_at_ms * 1_000_000),
        "floor": canonical_decimal(FLOOR),
    }
    return msgspec.json.encode({name: value for name, value in kept.items() if value}).decode()
