"""A model of the Data API as a witness: what was traded, what of it is stored, what is listed."""

from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import strategies as st

from actors.audit.comparison import HOUR_MS, MARGIN_MS, Hour
from actors.model.audit import Fill, StoredHour, StoredSum, Told
from actors.model.trade import ConditionId, TokenId

MARKET = ConditionId("0x" + "ab" * 32)
TOKENS = (TokenId("11"), TokenId("22"))
START_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS
HOUR = Hour(condition_id=MARKET, hour_ms=START_MS)


@dataclass(frozen=True)
class Traded:
    """One trade that happened: its token, transaction, size, time, and when its block came."""

    token: TokenId
    transaction: str
    size: Decimal
    at_ms: int
    lag_ms: int = 2_500

    @property
    def block_ms(self) -> int:
        return (self.at_ms + self.lag_ms) // 1_000 * 1_000


@dataclass(frozen=True)
class Quirks:
    """What the witness gets wrong; each names trades by their place.

    Attributes:
        parts: Into how many fills each trade is divided.
        dusty: Rows of less than 0.01 shares are not listed.
        ghosts: These never reach the chain.
        resent: These are listed with another transaction.
        told_twice: The rows of these are listed twice.
        combos: So many rows of a token of no market are listed, too.
        cached_s: How old the answer is.
        cut: So many of the oldest rows are left out, and the end is not reached.
        nameless: The feed named no transaction of these.
    """

    parts: int = 1
    dusty: bool = False
    ghosts: frozenset[int] = frozenset()
    resent: frozenset[int] = frozenset()
    told_twice: frozenset[int] = frozenset()
    combos: int = 0
    cached_s: int = 0
    cut: int = 0
    nameless: frozenset[int] = frozenset()


@dataclass
class World:
    """What was traded, and the places of those that are not stored."""

    trades: list[Traded]
    lost: frozenset[int] = frozenset()
    quirks: Quirks = field(default_factory=Quirks)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def stored(self) -> StoredHour:
        sums: dict[tuple[TokenId, str | None, int], list[Traded]] = {}
        for place, trade in enumerate(self.trades):
            if place not in self.lost and _is_read(trade.at_ms):
                named = place not in self.quirks.nameless
                key = (trade.token, trade.transaction if named else None, 0 if named else place)
                sums.setdefault(key, []).append(trade)
        return StoredHour(
            tokens=TOKENS,
            sums=tuple(
                StoredSum(
                    token_id=token,
                    transaction=transaction,
                    size=sum((each.size for each in some), Decimal(0)),
                    first_ms=min(each.at_ms for each in some),
                    last_ms=max(each.at_ms for each in some),
                )
                for (token, transaction, _), some in sums.items()
            ),
            covered=tuple((token, *span) for token in TOKENS for span in self._heard()),
        )

    def _heard(self) -> list[tuple[int, int]]:
        since = START_MS - MARGIN_MS
        spans = []
        for begin, end in sorted(self.gaps):
            spans.append((since, max(since, begin)))
            since = max(since, end)
        return [*spans, (since, START_MS + HOUR_MS + MARGIN_MS)]

    @property
    def ghosts(self) -> set[str]:
        """Return what never reaches the chain: transactions as a whole."""
        return {self.trades[n].transaction for n in self.quirks.ghosts if n < len(self.trades)}

    @property
    def told(self) -> Told:
        rows: list[Fill] = []
        for place, trade in enumerate(self.trades):
            if trade.transaction in self.ghosts:
                continue
            part = (trade.size / self.quirks.parts).quantize(Decimal("0.000001"))
            sizes = [part] * (self.quirks.parts - 1)
            sizes.append(trade.size - sum(sizes, Decimal(0)))
            name = trade.transaction
            if place in self.quirks.resent:
                name = "0x" + "f" * 60 + name[-4:]
            made = [
                Fill(token_id=trade.token, transaction=name, size=size,
                     price=Decimal("0.5") + number * Decimal("0.0001"), at_ms=trade.block_ms)
                for number, size in enumerate(sizes)
                if size > 0
            ]  # fmt: skip
            rows += made * (2 if place in self.quirks.told_twice else 1)
        rows += [
            Fill(token_id=TokenId("999"), transaction=hash_of(9_000 + number), size=Decimal(5),
                 price=Decimal("0.5"), at_ms=START_MS + 1_000 * number)
            for number in range(self.quirks.combos)
        ]  # fmt: skip
        if self.quirks.dusty:
            rows = [each for each in rows if each.size >= Decimal("0.01")]
        rows.sort(key=lambda each: -each.at_ms)
        rows = [each for each in rows if each.at_ms >= HOUR.told_since_ms]
        cut = min(self.quirks.cut, len(rows))
        asked_ms = HOUR.end_ms + 900_000
        return Told(
            fills=tuple(rows[: len(rows) - cut]),
            made_at_ms=asked_ms - self.quirks.cached_s * 1_000,
            is_whole=not cut,
            is_known=True,
            pages=1,
        )


def _is_read(at_ms: int) -> bool:
    return START_MS - MARGIN_MS <= at_ms < START_MS + HOUR_MS + MARGIN_MS


def hash_of(number: int) -> str:
    return f"0x{number:064x}"


SIZES = st.one_of(
    st.sampled_from([Decimal(5), Decimal(10), Decimal("0.004"), Decimal("78.55")]),
    st.decimals("0.01", "5000", places=6),
)
_TIMES = st.one_of(
    st.integers(START_MS - 120_000, START_MS + HOUR_MS + 120_000),
    st.integers(START_MS - 5_000, START_MS + 5_000),
    st.integers(START_MS + HOUR_MS - 5_000, START_MS + HOUR_MS + 5_000),
)


@st.composite
def trades(draw: st.DrawFn) -> list[Traded]:
    """Draw trades; some share a transaction, and with it a token and a block."""
    made: list[Traded] = []
    for number in range(draw(st.integers(0, 14))):
        if made and draw(st.integers(0, 4)) == 0:
            before = made[-1]
            made.append(
                Traded(before.token, before.transaction, draw(SIZES), before.at_ms, before.lag_ms)
            )
            continue
        token = draw(st.sampled_from(TOKENS))
        lag = draw(st.integers(1_700, 3_900))
        made.append(Traded(token, hash_of(number + 1), draw(SIZES), draw(_TIMES), lag))
    return made


@st.composite
def worlds(draw: st.DrawFn, *, loses: bool = True) -> World:
    """Draw what was traded, what of it is not stored, and a witness with any quirks."""
    made = draw(trades())
    places = st.frozensets(st.integers(0, max(0, len(made) - 1)), max_size=3)
    none = st.just(frozenset[int]())
    quirks = Quirks(
        parts=draw(st.integers(1, 3)),
        dusty=draw(st.booleans()),
        ghosts=draw(st.one_of(none, places)),
        resent=draw(st.one_of(none, places)),
        told_twice=draw(st.one_of(none, places)),
        combos=draw(st.sampled_from([0, 0, 1])),
        cached_s=draw(st.sampled_from([0, 0, 300, 700])),
        cut=draw(st.sampled_from([0, 0, 3])),
        nameless=draw(st.one_of(none, places)),
    )
    begin = draw(st.integers(START_MS, START_MS + HOUR_MS))
    return World(
        trades=made,
        lost=draw(places) if loses else frozenset(),
        quirks=quirks,
        gaps=draw(st.sampled_from([[], [(begin, begin + 90_000)]])),
    )
