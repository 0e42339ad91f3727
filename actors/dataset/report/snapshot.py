"""Reads what a report shows, in one snapshot of the database that it only reads.

Each statement reads the time or the market that it is asked about, and has a limit of time and of
rows. Only relations for readers are read, so the role of a reader is enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from actors.database import queries
from actors.database.server.facts import require_chunks
from actors.database.server.verification import permitted
from actors.database.session import translate_errors
from actors.dataset.report import coverage as spent
from actors.dataset.report.text import TOKEN
from actors.dataset.report.values import (
    LATENESS,
    MOST_BINS,
    MOST_MARKETS,
    Bin,
    Candle,
    Conflict,
    Contents,
    Coverage,
    Event,
    Label,
    LabelCount,
    Labels,
    Market,
    MarketDays,
    Name,
    Overdue,
    Path,
    Rejected,
    Said,
    Span,
    Stretch,
    Token,
    Traded,
    Trades,
    Waiting,
)
from actors.errors import ConfigError

STATEMENT_S: Final = 900
"""Longest a statement may take: a month of the whole exchange takes some minutes."""
MOST_COVERED: Final = 400
"""Markets whose coverage is read."""
MOST_MISSED: Final = 100
"""Of these, markets that are chosen since they missed most, on the days that are computed."""
MOST_STRETCHES: Final = 200_000
MOST_PATHS: Final = 6
MOST_CANDLES: Final = 300
MOST_ROWS: Final = 200
"""Rows of what is counted by reason."""
MOST_NAMED: Final = 15
MOST_STEPS: Final = 12
_CONNECT_S: Final = 15
_NAME: Final = "tracker-report"
_LIMITS: Final = (
    f"-c statement_timeout={STATEMENT_S}s -c lock_timeout=10s -c timezone=UTC"
    " -c jit=off -c work_mem=64MB"  # a third of the time for a day of three million trades
)

Row = tuple[Any, ...]


@contextmanager
def opened(dsn: str) -> Iterator["Reader"]:
    """Yield what reads one snapshot of a database.

    Args:
        dsn: Checked by `check_dsn`.

    Raises:
        ConfigError: It is no database of a tracker of this version, or the role may not read it.
        StoreUnavailable: The database does not answer, or not in time.
    """
    with translate_errors(), _clear_errors():
        options = {"connect_timeout": str(_CONNECT_S), "application_name": _NAME, **permitted(dsn)}
        given = psycopg.conninfo.conninfo_to_dict(dsn)
        ours = f"{given.get('options') or ''} {_LIMITS}".strip()
        address = make_conninfo(dsn, **options, options=ours)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(queries.SET_SEARCH_PATH)
            require_chunks(connection.execute(queries.SELECT_TIMESCALE_STATE).fetchone())
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                yield Reader(connection)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigError(
            f"database: {_first_line(exc)}; make the role a member of tracker_reader"
            " (docs/how-to/query.md, A role for readers)"
        ) from exc
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction,
            psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName) as exc:  # fmt: skip
        raise ConfigError(
            f"database: {_first_line(exc)}; it is no database of a tracker, or one of another"
            " version: `bin/tracker --check` says which"
        ) from exc


def _first_line(exc: psycopg.Error) -> str:
    return (exc.diag.message_primary or type(exc).__name__).splitlines()[0]


class Reader:
    """Reads one snapshot."""

    def __init__(self, connection: "psycopg.Connection[Row]") -> None:
        self._connection = connection
        ((self.now,),) = self._rows(queries.REPORT_NOW)

    def _rows(self, query: bytes, **given: Any) -> list[Row]:
        return self._connection.execute(query, given).fetchall()

    # -------------------------------------------------------------- which market

    def recorded(self) -> tuple[datetime | None, datetime | None]:
        """Return the times of the first and the last trade that is stored."""
        ((first, last),) = self._rows(queries.REPORT_RECORDED)
        return first, last

    def find(self, slug: str, event: str, most: int) -> list[tuple[str, str]]:
        """Return ids and slugs of the markets of this slug, or of the event of that slug."""
        return [
            (row[0], row[1])
            for row in self._rows(queries.REPORT_FIND_SLUG, slug=slug, event=event, most=most)
        ]

    def near(self, words: Sequence[str], most: int) -> list[str]:
        """Return slugs that have the most of these words."""
        return [
            slug for (slug,) in self._rows(queries.REPORT_NEAR_SLUGS, words=list(words), most=most)
        ]

    def life(self, condition_id: str) -> Span | None:
        """Return from when until when a market was listened to or missed; None: never."""
        ((first, last),) = self._rows(queries.REPORT_LIFE, market=condition_id)
        return None if first is None or last is None else Span(first, last)

    def market(self, condition_id: str) -> Market | None:
        """Return a market, or None when it is not known."""
        found = self._rows(queries.REPORT_MARKET, market=condition_id)
        if not found:
            return None
        name, question, slug, event, description, closed, end, seen, kind, *resolved = found[0]
        label = None
        if kind is not None:
            winner, resolved_at, recorded_at, sources = resolved
            label = Label(name, kind, winner, resolved_at, recorded_at, tuple(sources))
        tokens = tuple(
            Token(*row) for row in self._rows(queries.REPORT_TOKENS, market=condition_id)
        )
        return Market(
            name, Name(question, slug), event, description, closed, end, seen, label, tokens
        )

    # ------------------------------------------------------------------ the whole

    def contents(self, span: Span, market: Market | None) -> Contents:
        """Return all that a report shows of a time, or of a market in it."""
        only = market.condition_id if market else None
        trades = self._trades(span, only)
        covered = self._coverage(span, trades, only)
        paths = self._market_paths(span, market) if market else self._paths(span, trades)
        labels = self._labels(span, only)
        waiting, overdue = self._waiting(only)
        conflicts = self._conflicts(span, only)
        tokens = [each.token_id for each in market.tokens] if market else None
        found = Contents(
            span=span,
            known_until=self.now if self.now < span.end else None,
            market=market,
            trades=trades,
            coverage=covered,
            paths=paths,
            labels=labels,
            waiting=waiting,
            overdue=overdue,
            conflicts=conflicts,
            rejected=self._rejected(span, tokens),
            events=() if market else self._events(span),
            said=self._said(market.condition_id) if market else (),
            names={},
            outcomes={},
        )
        return found._replace(names=self._names(found), outcomes=self._outcomes(found))

    def _trades(self, span: Span, only: str | None) -> Trades:
        bins: list[Bin] = []
        markets: list[Traded] = []
        total = 0
        given = {**_of(span), "width": span.width(MOST_BINS), "market": only, "most": MOST_COVERED}
        for kind, at, name, number, usdc, token in self._rows(queries.REPORT_TRADES, **given):
            if kind == "bin":
                bins.append(Bin(at, number, usdc))
            elif kind == "market":
                markets.append(Traded(name, token, number, usdc))
            else:
                total = number
        return Trades(tuple(sorted(bins)), tuple(markets), total)

    def _coverage(self, span: Span, trades: Trades, only: str | None) -> Coverage:
        days, missed = (None, []) if only else self._market_days(span)
        names = [only] if only else self._candidates(span, trades, missed)
        given = {**_of(span), "markets": names, "most": MOST_STRETCHES + 1}
        found = tuple(Stretch(*row) for row in self._rows(queries.REPORT_COVERAGE, **given))
        return Coverage(found[:MOST_STRETCHES], len({each.condition_id for each in found}),
                        cut=len(found) > MOST_STRETCHES, days=days)  # fmt: skip

    def _market_days(self, span: Span) -> tuple[MarketDays, list[str]]:
        """Return what is computed about all markets, and those that missed most, worst first."""
        rows = self._rows(queries.REPORT_MARKET_DAYS, **_of(span), most=MOST_MISSED)
        (whole,) = (sums for name, *sums in rows if name is None)
        return MarketDays(*whole), [name for name, *_ in rows if name is not None]

    def _candidates(self, span: Span, trades: Trades, missed: list[str]) -> list[str]:
        """Return the markets whose coverage is looked at.

        Args:
            span: When.
            trades: Those that were traded most come behind `missed`, then the largest.
            missed: Those that missed most: a gap of a market that nobody trades shows, too.
        """
        names = list(dict.fromkeys((*missed, *(each.condition_id for each in trades.markets))))
        if len(names) < MOST_COVERED:
            rows = self._rows(queries.REPORT_OPEN_MARKETS, **_of(span), most=MOST_COVERED)
            names = list(dict.fromkeys((*names, *(name for (name,) in rows))))
        return names[:MOST_COVERED]

    def _paths(self, span: Span, trades: Trades) -> tuple[Path, ...]:
        some = trades.markets[:MOST_PATHS]
        tokens = [each.token_id for each in some]
        outcomes: dict[str, str | None] = dict(self._rows(queries.REPORT_OUTCOMES, tokens=tokens))
        return tuple(
            Path(
                each.condition_id,
                each.token_id,
                outcomes.get(each.token_id),
                self._candles(each.token_id, span),
            )
            for each in some
        )

    def _market_paths(self, span: Span, market: Market) -> tuple[Path, ...]:
        return tuple(
            Path(
                market.condition_id, each.token_id, each.outcome, self._candles(each.token_id, span)
            )
            for each in market.tokens
        )

    def _candles(self, token_id: str, span: Span) -> tuple[Candle, ...]:
        given = {**_of(span), "token": token_id, "width": span.width(MOST_CANDLES)}
        return tuple(Candle(*row) for row in self._rows(queries.REPORT_CANDLES, **given))

    def _labels(self, span: Span, only: str | None) -> Labels:
        rows = self._rows(queries.REPORT_LABELS, **_of(span), market=only, most=MOST_NAMED)
        last = tuple(_label(row) for row in rows)
        if only:
            return Labels(last=last)
        classes = [end for end, _ in LATENESS[:-1]]
        counts: list[LabelCount] = []
        late: tuple[float, ...] = ()
        for kind, late_class, number, seconds in self._rows(
            queries.REPORT_LABEL_COUNTS, **_of(span), classes=classes
        ):
            if kind is None:
                late = tuple(seconds)
            else:
                counts.append(LabelCount(kind, late_class, number))
        return Labels(tuple(counts), late, last)

    def _waiting(self, only: str | None) -> tuple[tuple[Waiting, ...], tuple[Overdue, ...]]:
        states: list[Waiting] = []
        markets: list[Overdue] = []
        for kind, state, name, number, ended, reason in self._rows(
            queries.REPORT_WAITING, market=only, most=MOST_NAMED
        ):
            if kind == "state":
                states.append(Waiting(state, number, ended))
            else:
                markets.append(Overdue(name, state, ended, reason))
        return tuple(states), tuple(markets)

    def _conflicts(self, span: Span, only: str | None) -> tuple[Conflict, ...]:
        rows = self._rows(queries.REPORT_CONFLICTS, **_of(span), market=only, most=MOST_ROWS)
        return tuple(_conflict(row) for row in rows)

    def _rejected(self, span: Span, tokens: list[str] | None) -> tuple[Rejected, ...]:
        rows = self._rows(queries.REPORT_REJECTED, **_of(span), tokens=tokens, most=MOST_ROWS)
        return tuple(Rejected(*row) for row in rows)

    def _events(self, span: Span) -> tuple[Event, ...]:
        return tuple(
            Event(*row) for row in self._rows(queries.REPORT_EVENTS, **_of(span), most=MOST_ROWS)
        )

    def _said(self, condition_id: str) -> tuple[Said, ...]:
        return tuple(
            Said(*row)
            for row in self._rows(queries.REPORT_SAID, market=condition_id, most=MOST_STEPS)
        )

    def _outcomes(self, found: Contents) -> dict[str, str]:
        words = [each.what for each in found.said]
        for one in found.conflicts:
            words += [one.recorded, one.observed, *(each.what for each in one.evidence)]
        tokens = {token for each in words for token in TOKEN.findall(each)}
        rows = self._rows(queries.REPORT_OUTCOMES, tokens=sorted(tokens))
        return {token: outcome for token, outcome in rows if outcome is not None}

    def _names(self, found: Contents) -> dict[str, Name]:
        """Return the names of all markets that are shown."""
        times = spent.by_market(found.coverage.stretches)
        wanted = {
            *spent.shown(found.trades.markets, times, MOST_MARKETS),
            *(each.condition_id for each in found.paths),
            *(each.condition_id for each in found.labels.last),
            *(each.condition_id for each in found.overdue),
            *(each.condition_id for each in found.conflicts),
            *(min(each.markets) for each in spent.outages(found.coverage.stretches)[:MOST_ROWS]),
        }
        rows = self._rows(queries.REPORT_NAMES, markets=sorted(wanted))
        return {name: Name(question, slug) for name, question, slug in rows}


def _of(span: Span) -> Mapping[str, datetime]:
    return {"start": span.start, "end": span.end}


def _label(row: Row) -> Label:
    name, kind, winner, resolved_at, recorded_at, sources = row
    return Label(name, kind, winner, resolved_at, recorded_at, tuple(sources))


def _conflict(row: Row) -> Conflict:
    (name, kind, source, at, recorded, observed, cleared_at, cleared_by, label_at, *told) = row
    return Conflict(name, kind, source, at, recorded, observed, cleared_at, cleared_by, label_at,
                    _evidence(*told))  # fmt: skip


def _evidence(*columns: Sequence[Any] | None) -> tuple[Said, ...]:
    sources, times, words, reasons, answers = (each or () for each in columns)
    return tuple(map(Said, sources, times, words, reasons, answers))


def whole_bins(life: Span) -> Span:
    """Return the life of a market from a full hour to a full hour; of a long one, whole days."""
    unit = timedelta(hours=1) if life.lasts <= timedelta(days=2) else timedelta(days=1)
    start = life.start.replace(minute=0, second=0, microsecond=0)
    if unit == timedelta(days=1):
        start = start.replace(hour=0)
    return Span(start, start + max(1, -(-(life.end - start) // unit)) * unit)
