"""What the database remembers of outcomes, read back for the next life."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from actors.database import queries
from actors.database.session import Connection
from actors.model.market import Market
from actors.model.trade import ConditionId, TokenId
from actors.resolution.quorum import Observation, Resolution, Source
from actors.resolution.recheck import RECHECKS_MS
from actors.resolution.rechecks import Recheck, Stretch
from actors.resolution.standing import TRACKER, LastWords, Standing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAGES = [timedelta(milliseconds=each) for each in RECHECKS_MS]
_SOURCES = frozenset(Source)
_STANDINGS = frozenset(Standing)
Row = tuple[Any, ...]

_payouts = msgspec.json.Decoder(tuple[tuple[TokenId, Decimal], ...])
_market = msgspec.json.Decoder(Market)
_resolution = msgspec.json.Decoder(Resolution)
_told = msgspec.json.Decoder(tuple[tuple[str, str], ...])


def last_words(connection: Connection, conditions: Sequence[ConditionId]) -> LastWords:
    """Give the last word of each source about these markets; what we do not know is left out."""
    rows = connection.execute(queries.SELECT_LAST_WORDS, {"conditions": list(conditions)})
    observations: list[Observation] = []
    standings: list[tuple[ConditionId, Standing, int]] = []
    contradicted: list[ConditionId] = []
    for condition_id, source, at_ms, reason, payouts, verdict in rows:
        if source == "conflict":
            contradicted.append(condition_id)
        elif source == TRACKER and verdict in _STANDINGS:
            standings.append((condition_id, Standing(verdict), at_ms))
        elif source in _SOURCES:
            observations.append(
                Observation(
                    condition_id=condition_id,
                    source=Source(source),
                    observed_at_ms=at_ms,
                    payouts=_payouts.decode(payouts) if payouts else None,
                    reason=reason,
                    payload="",
                )
            )
    return LastWords(
        observations=tuple(observations),
        standings=tuple(standings),
        contradicted=tuple(contradicted),
    )


def verdicts_to_check(
    connection: Connection, stretch: Stretch, *, after: str, room: int
) -> tuple[Recheck, ...]:
    """Give at most `room` verdicts of which a look falls due, behind the condition id `after`."""
    given = {
        "since": None if stretch.since_ms is None else _time(stretch.since_ms),
        "until": _time(stretch.until_ms),
        "stages": _STAGES,
        "after": after,
        "room": room,
    }
    return tuple(
        _recheck(row) for row in connection.execute(queries.SELECT_VERDICTS_TO_CHECK, given)
    )


def _recheck(row: Row) -> Recheck:
    _, recorded_ms, due_ms, resolution, market, told = row
    known = (pair for pair in _told.decode(told) if pair[0] in _SOURCES)
    return Recheck(
        resolution=_resolution.decode(resolution),
        market=_market.decode(market),
        recorded_at_ms=recorded_ms,
        due_at_ms=due_ms,
        told=tuple((Source(source), observed) for source, observed in known),
    )


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
