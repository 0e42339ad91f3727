"""Ledger against database: lost and duplicate trades, false coverage, and the length of gaps.

The counts are those of `actors.simulator.judge`. Gap seconds are token-seconds within the
measured time: recorded by the tracker, and of these the false ones, in which a healthy connection
received the token nevertheless.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from actors.simulator.judge import Judgement, judge, ledger_lines

Span = tuple[float, float]
"""From, to: seconds since 1970."""

SUBSCRIBED = frozenset({"subscribe", "unsubscribe"})
_FAILING = frozenset(
    {
        "freeze",
        "miss_token",
        "half_frame",
        "drip",
        "oversize",
        "bad_frame",
        "unfinished",
        "drop",
        "close",
    }
)
_GAPS = """
    select a.token_id, extract(epoch from lower(g.gap))::float8,
           extract(epoch from upper(g.gap))::float8, g.cause
    from assets a, coverage_gaps(a.token_id, %s, %s) g
    where a.token_id = any(coalesce(%s, array[a.token_id]))
"""

_STORED = """
    select token_id, (extract(epoch from traded_at) * 1000)::bigint, transaction_hash, size
    from trades
"""

_RECEIVED = """
    select token_id, (extract(epoch from traded_at) * 1000)::bigint, transaction_hash, size,
           min(extract(epoch from received_at))::float8, count(*)
    from trades group by 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Checked:
    """The judgement and the gaps; seconds are token-seconds."""

    judged: Judgement
    received_and_absent: int
    gap_s: float
    false_gap_s: float
    longest_gap_s: float
    causes: dict[str, float]


def check(
    ledger: Path,
    dsn: str,
    looked: Span,
    *,
    blind: Sequence[Span] = (),
    received: Sequence[Span] = (),
) -> Checked:
    """Compare ledger and database, once everything has ended.

    Args:
        ledger: The simulator's.
        dsn: The database, to be read.
        looked: Between which two times gaps are measured.
        blind: When something outside of the simulator blocked the feed, so that what the
            ledger says about delivery does not count.
        received: When everything was received for certain: what was sent then must be stored,
            whatever gaps there are.
    """
    judged = judge(ledger, dsn)
    # A hostile listing names hundreds of thousands of others, which nobody trades.
    gaps = gaps_of(dsn, looked, _tokens(ledger))
    healthy = _healthy(ledger, looked[1])
    causes: dict[str, float] = defaultdict(float)
    false_s = 0.0
    for token, span, cause in gaps:
        causes[cause] += span[1] - span[0]
        proven = sum(_shared(span, other) for other in healthy.get(token, ()))
        false_s += max(0.0, proven - sum(_shared(span, other) for other in blind))
    spans = [end - start for _, (start, end), _ in gaps]
    return Checked(
        judged=judged,
        received_and_absent=_absent(ledger, dsn, received),
        gap_s=sum(spans),
        false_gap_s=false_s,
        longest_gap_s=max(spans, default=0.0),
        causes={cause: round(seconds, 2) for cause, seconds in causes.items()},
    )


def gaps_of(
    dsn: str, looked: Span, tokens: Sequence[str] | None = None
) -> list[tuple[str, Span, str]]:
    """Return every recorded gap between two times, of these tokens or of all."""
    times = tuple(datetime.fromtimestamp(at, UTC) for at in looked)
    with psycopg.connect(dsn, autocommit=True) as database:
        rows = database.execute(_GAPS, (*times, tokens)).fetchall()
    return [(token, (start, end), cause) for token, start, end, cause in rows]


def _tokens(ledger: Path) -> list[str]:
    """Return the tokens of all markets that were made."""
    markets = (line for line in ledger_lines(ledger) if line["kind"] == "market")
    return sorted({token for line in markets for token in line["tokens"]})


def disorder(ledger: Path, dsn: str) -> tuple[int, float]:
    """Return how far the times of receipt are from the times at which trades were sent.

    Returns:
        How many trades have an earlier `received_at` than one that was sent before them for
        the same token (identical ones left out), and the longest time from a trade to its
        `received_at` in seconds.
    """
    with psycopg.connect(dsn, autocommit=True) as database:
        rows = database.execute(_RECEIVED).fetchall()
    stored = {(token, ts, tx, size): (first, count) for token, ts, tx, size, first, count in rows}
    last: dict[str, float] = {}
    inverted, longest_s = 0, 0.0
    for line in ledger_lines(ledger):
        if line["kind"] != "trade":
            continue
        token = line["token"]
        found = stored.get((token, line["ts"], line["hash"] or None, Decimal(line["size"])))
        if found is None or found[1] > 1:
            continue
        at = found[0]
        inverted += at < last.get(token, 0.0)
        last[token] = at
        longest_s = max(longest_s, at - line["ts"] / 1000)
    return inverted, longest_s


def _absent(ledger: Path, dsn: str, received: Sequence[Span]) -> int:
    """Count the trades of these spans that are not stored; identical ones count as one."""
    if not received:
        return 0
    sent = {
        (line["token"], line["ts"], line["hash"] or None, Decimal(line["size"]))
        for line in ledger_lines(ledger)
        if line["kind"] == "trade" and any(a <= line["ts"] / 1000 < b for a, b in received)
    }
    with psycopg.connect(dsn, autocommit=True) as database:
        stored = database.execute(_STORED).fetchall()
    return len(sent - set(stored))


def _shared(one: Span, other: Span) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def _healthy(ledger: Path, until: float) -> dict[str, list[Span]]:
    """Return when each token was certainly received: between two of its trades on one connection.

    The ledger names the connections to which each trade was written. A connection that got one
    trade and the next, and that no fault hit in between, received the token all that time.
    """
    last: dict[tuple[str, int], float] = {}
    failing: dict[int, float] = {}
    found: dict[str, list[Span]] = defaultdict(list)
    for line in ledger_lines(ledger):
        at = line.get("ts", 0) / 1000
        if at > until:
            continue
        if line["kind"] == "trade":
            _stretch(line, at, last, failing, found)
        else:
            _note(line, at, failing)
    return {token: _united(spans) for token, spans in found.items()}


def _note(line: dict[str, Any], at: float, failing: dict[int, float]) -> None:
    """Note when a fault or a subscription changed a connection."""
    if line["kind"] == "fault" and line["fault"] in _FAILING:
        for number in line["connections"]:
            failing[number] = at
    elif line["kind"] == "connection" and line["event"] in SUBSCRIBED:
        failing[line["connection"]] = at


def _stretch(
    line: dict[str, Any],
    at: float,
    last: dict[tuple[str, int], float],
    failing: dict[int, float],
    found: dict[str, list[Span]],
) -> None:
    token = line["token"]
    for number in line["to"]:
        before = last.get((token, number))
        if before is not None and before < at and failing.get(number, 0.0) < before:
            found[token].append((before, at))
        last[token, number] = at


def _united(spans: list[Span]) -> list[Span]:
    united: list[Span] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united
