"""The audits of the stream: one at a time, of what was listened to, and not believed too much."""

from decimal import Decimal

import msgspec
import pytest

from actors.audit.comparison import HOUR_MS, MARGIN_MS, compare
from actors.audit.rounds import Lengths
from actors.audit.streamed import GIVEN_UP_S, StreamAudits
from actors.messages import RequestStreamed, Streamed
from actors.model.audit import Audit, AuditResult, HourQuestion, StoredHour, Witness
from tests.audit.quirky import HOUR, MARKET, START_MS, TOKENS, Quirks, Traded, World, hash_of
from tests.audit.test_comparison import CHECKED_MS, HEALTHY

WALL_MS = START_MS + HOUR_MS + 900_000


def begun(audits: StreamAudits, now: float = 1_000.0) -> RequestStreamed:
    request = audits.begin(now, WALL_MS)
    assert request is not None
    return request


def asked(audits: StreamAudits, request: RequestStreamed) -> HourQuestion:
    told = World(HEALTHY).told
    question = audits.answered(Streamed(request=request, condition_id=MARKET, told=told))
    assert question is not None
    return question


@pytest.fixture
def audits() -> StreamAudits:
    return StreamAudits(20, 0.0, Lengths())


def test_the_latest_hour_that_is_over_is_compared(audits: StreamAudits) -> None:
    assert audits.begin(179.0, WALL_MS) is None
    request = begun(audits)
    assert (request.hour_ms, request.end_ms) == (START_MS, START_MS + HOUR_MS)
    assert (request.since_ms, request.until_ms) == (
        START_MS - 60_000,
        START_MS + HOUR_MS + 60_000,
    )
    question = asked(audits, request)
    assert question.from_ms == START_MS - MARGIN_MS
    found = audits.stored(question, World(HEALTHY).stored, CHECKED_MS)

    assert found is not None
    assert (found.witness, found.result) == (Witness.RTDS, AuditResult.COMPLETE)
    assert audits.stored(question, World(HEALTHY).stored, CHECKED_MS) is None


def test_one_at_a_time_until_it_is_given_up(audits: StreamAudits) -> None:
    late = begun(audits)
    assert audits.begin(1_000.0 + GIVEN_UP_S - 1, WALL_MS) is None
    request = begun(audits, 1_000.0 + GIVEN_UP_S)
    told = World(HEALTHY).told
    assert audits.answered(Streamed(request=late, condition_id=MARKET, told=told)) is None
    question = asked(audits, request)
    assert audits.begin(1_301.0 + 190.0, WALL_MS) is None
    assert audits.stored(msgspec.structs.replace(question), StoredHour(), 0) is None

    assert audits.stored(question, World(HEALTHY).stored, CHECKED_MS) is not None


def test_nothing_told_is_nothing_to_compare(audits: StreamAudits) -> None:
    request = begun(audits)
    assert audits.answered(Streamed(request=request)) is None

    assert audits.begin(1_181.0, WALL_MS) is not None


def test_a_market_that_nobody_listened_to_has_no_audit(audits: StreamAudits) -> None:
    question = asked(audits, begun(audits))

    assert audits.stored(question, StoredHour(tokens=TOKENS), CHECKED_MS) is None


def judged(world: World) -> Audit:
    return compare(HOUR, world.stored, world.told, witness=Witness.RTDS, checked_at_ms=CHECKED_MS)


@pytest.mark.parametrize("lost", [1, 3])
def test_a_few_that_are_missing_are_believed(lost: int) -> None:
    found = judged(World(HEALTHY, frozenset(range(lost))))

    assert (found.result, found.missing) == (AuditResult.MISSING, lost)


def test_a_tenth_of_many_is_believed() -> None:
    many = [
        Traded(TOKENS[0], hash_of(n + 1), Decimal(5), START_MS + 70_000 + 20_000 * n)
        for n in range(150)
    ]

    assert judged(World(many, frozenset(range(15)))).missing == 15
    found = judged(World(many, frozenset(range(16))))
    assert (found.result, found.missing, found.outside_gaps) == (AuditResult.UNKNOWN, 0, 0)
    assert "much listed otherwise" in found.evidence


def test_rows_of_makers_would_not_be_believed() -> None:
    # As if each match were told with its makers, too, on the other token.
    makers = [
        Traded(TOKENS[trade.token == TOKENS[0]], trade.transaction, trade.size, trade.at_ms)
        for trade in HEALTHY
    ]
    world = World([*HEALTHY, *makers], frozenset(range(len(HEALTHY), 2 * len(HEALTHY))))

    assert judged(world).result is AuditResult.UNKNOWN
    assert judged(World(HEALTHY, quirks=Quirks())).result is AuditResult.COMPLETE
