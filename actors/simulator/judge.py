"""Compare the ledger with the database, trade by trade and outcome by outcome.

Like the set checker of Jepsen. It reads public relations only, so that every change that breaks
a promise of the tracker is found here:

- *missing*: sent, absent, and not inside a recorded gap;
- *in gaps*: sent, absent, inside a recorded gap: the loss is known;
- *unwatched*: sent, absent, at a time when the token was not wanted;
- *duplicates*: stored more often than sent;
- *unexpected*: stored, never sent;
- *marked*: as these two, and the database says of each that it is disputed: the feeds differ;
- *uncovered*: absent although `coverage` claims the time; counted in *missing* as well.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import psycopg

Key = tuple[str, int, Decimal, Decimal, str, str | None]
"""(token, exchange ms, price, size, side, transaction hash or None)."""
TRADE_KINDS = ("trade", "print")
"""Kinds of a trade's line; ledgers that an older simulator began call it a print."""
DISPUTED = ["sent_twice", "dated_apart"]
"""Events that mark a row of `trades`: token, ms, occurrence, price and size in their reason."""


@dataclass(frozen=True)
class Judgement:
    """The result of a comparison, counted in trades; `resolved_…` in markets."""

    sent: int
    stored: int
    missing: int
    duplicates: int
    unexpected: int
    marked: int
    uncovered: int
    in_gaps: int
    unwatched: int
    resolved_right: int
    resolved_wrong: int
    resolved_absent: int

    @property
    def clean(self) -> bool:
        """Return whether every promise held."""
        return not (
            self.missing
            or self.duplicates
            or self.unexpected
            or self.uncovered
            or self.resolved_wrong
        )

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def ledger_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a ledger as objects; an unfinished last line is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def judge(ledger: Path, dsn: str, *, since: datetime | None = None) -> Judgement:
    """Compare the ledger with what the database holds for its tokens.

    Args:
        ledger: The file.
        dsn: Of the database.
        since: When the last run began, by the clock of the tracker, to judge that alone.

    Raises:
        psycopg.Error: The database does not answer.
    """
    sent, outcomes, ended = _read_ledger(ledger, last_run=since is not None)
    since = since or datetime.min.replace(tzinfo=UTC)
    with psycopg.connect(dsn, autocommit=True) as database:
        # What others have planted in this database must not be executed with the rights of a judge.
        database.execute("SET search_path = pg_catalog, pg_temp")
        # A market goes on in the next run, so what was received earlier is of an earlier one.
        tokens = sorted({key[0] for key in sent})
        stored, marks = _stored(database, tokens, since)
        too_many = {key: n - sent[key] for key, n in stored.items() if n > sent[key]}
        marked = {key: min(n, marks[key]) for key, n in too_many.items()}
        absent = sent - stored
        fates = _fates(database, absent)
        recorded = _resolutions(database, outcomes, since)
    return Judgement(
        sent=sent.total(),
        stored=stored.total(),
        missing=fates["missing"] + fates["uncovered"],
        uncovered=fates["uncovered"],
        in_gaps=fates["in_gap"],
        unwatched=fates["unwatched"],
        duplicates=sum(n - marked[key] for key, n in too_many.items() if sent[key]),
        unexpected=sum(n - marked[key] for key, n in too_many.items() if not sent[key]),
        marked=sum(marked.values()),
        resolved_right=sum(recorded.values()),
        resolved_wrong=len(recorded) - sum(recorded.values()),
        resolved_absent=len(ended - recorded.keys()),
    )


def _read_ledger(path: Path, *, last_run: bool) -> tuple[Counter[Key], dict[str, str], set[str]]:
    """Return how often each trade was sent, the true outcome of each market, and what ended.

    An outcome is the winning token's id, or `split`. Trades, and markets that ended, are those of
    the last run if only that is asked for; what ended before may be recorded in it.
    """
    sent: Counter[Key] = Counter()
    ended: set[str] = set()
    outcomes: dict[str, str] = {}
    for line in ledger_lines(path):
        if line["kind"] in TRADE_KINDS:
            sent[_key(line)] += 1
        elif line["kind"] == "outcome":
            outcomes[line["condition"]] = line["winning_token"] or "split"
            ended.add(line["condition"])
        elif line["kind"] == "run" and last_run:
            sent.clear()
            ended.clear()
    return sent, outcomes, ended


def _key(line: dict[str, Any]) -> Key:
    return (
        line["token"],
        int(line["ts"]),
        Decimal(line["price"]),
        Decimal(line["size"]),
        line["side"],
        line["hash"] or None,
    )


def _stored(
    database: psycopg.Connection[Any], tokens: list[str], since: datetime
) -> tuple[Counter[Key], Counter[Key]]:
    """Return how often each trade is stored, and how many of these rows are marked as disputed."""
    reasons = database.execute(
        "SELECT reason FROM public.connection_events WHERE event = ANY(%s)", (DISPUTED,)
    )
    marks = {_mark(reason.split()) for (reason,) in reasons}
    rows = database.execute(
        "SELECT token_id, (extract(epoch FROM traded_at) * 1000)::bigint, price, size, side,"
        " transaction_hash, occurrence FROM public.trades"
        " WHERE token_id = ANY(%s) AND received_at >= %s",
        (tokens, since),
    )
    stored: Counter[Key] = Counter()
    disputed: Counter[Key] = Counter()
    for *found, occurrence in rows:
        token, ms, price, size, side, transaction = found
        key = (token, ms, price, size, side, transaction)
        stored[key] += 1
        disputed[key] += (token, ms, occurrence, price, size) in marks
    return stored, disputed


def _mark(words: list[str]) -> tuple[str, int, int, Decimal, Decimal]:
    token, ms, occurrence, price, size = words
    return (token, int(ms), int(occurrence), Decimal(price), Decimal(size))


def _fates(database: psycopg.Connection[Any], absent: Counter[Key]) -> Counter[str]:
    """Return how many absent trades lie in covered time, in gaps, and in neither."""
    fates: Counter[str] = Counter()
    by_token: dict[str, list[tuple[datetime, int]]] = {}
    for (token, ms, *_), count in absent.items():
        by_token.setdefault(token, []).append((datetime.fromtimestamp(ms / 1000, UTC), count))
    tokens = sorted(by_token)
    covered = _ranges(database, _COVERAGE, tokens)
    gaps = _ranges(database, _GAPS, tokens)
    for token, times in by_token.items():
        for at, count in times:
            fates[_fate(at, covered.get(token, []), gaps.get(token, []))] += count
    return fates


Ranges = list[tuple[datetime, datetime]]

_COVERAGE = (
    "SELECT token_id, lower(during), upper(during) FROM public.coverage WHERE token_id = ANY(%s)"
)
_GAPS = (
    "SELECT token_id, lower(gap), upper(gap) FROM unnest(%s::text[]) AS token_id,"
    " public.coverage_gaps(token_id, '2020-01-01', 'infinity')"
)


def _ranges(
    database: psycopg.Connection[Any], query: LiteralString, tokens: list[str]
) -> dict[str, Ranges]:
    found: dict[str, Ranges] = {}
    for token, start, end in database.execute(query, (tokens,)):
        found.setdefault(token, []).append((start, end))
    return found


def _fate(at: datetime, covered: Ranges, gaps: Ranges) -> str:
    """Return what the time of an absent trade is.

    A time that is neither covered nor in a gap is `unwatched` only before the first and after
    the last of both; between them it is `missing`.
    """
    if any(start <= at < end for start, end in covered):
        return "uncovered"
    if any(start <= at < end for start, end in gaps):
        return "in_gap"
    known = [*covered, *gaps]
    inside = known and min(known)[0] <= at <= max(end for _, end in known)
    return "missing" if inside else "unwatched"


def _resolutions(
    database: psycopg.Connection[Any], outcomes: dict[str, str], since: datetime
) -> dict[str, bool]:
    """Return of each resolution that was recorded since then whether it is right."""
    rows = database.execute(
        "SELECT condition_id, kind, winning_token_id FROM public.resolutions"
        " WHERE condition_id = ANY(%s) AND recorded_at >= %s",
        (list(outcomes), since),
    )
    return {
        condition: outcomes[condition] == (token if kind == "winner" else "split")
        for condition, kind, token in rows
    }


def conditions(ledger: Path) -> list[str]:
    """Return the markets that the simulator of a ledger has made; none if there is no ledger."""
    if not ledger.exists():
        return []
    return [line["condition"] for line in ledger_lines(ledger) if line["kind"] == "market"]
