"""The comparison: never `complete` where something is missing, never `missing` where nothing is."""

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings

from actors.audit.comparison import FLOOR, HOUR_MS, compare
from actors.model.audit import Audit, AuditResult, StoredHour, Told, Witness
from tests.audit.quirky import (
    HOUR,
    START_MS,
    TOKENS,
    Quirks,
    Traded,
    World,
    hash_of,
    worlds,
)

CHECKED_MS = HOUR.end_ms + 900_000
NOON_MS = START_MS + HOUR_MS // 2
HEALTHY = [
    Traded(TOKENS[place % 2], hash_of(place + 1), Decimal(place + 1), START_MS + 70_000 * place)
    for place in range(1, 50)
]


def audit(world: World) -> Audit:
    return compare_told(world.stored, world.told)


def compare_told(stored: StoredHour, told: Told) -> Audit:
    return compare(HOUR, stored, told, witness=Witness.DATA, checked_at_ms=CHECKED_MS)


def reasons(found: Audit) -> list[str]:
    evidence = msgspec.json.decode(found.evidence)
    return list(evidence.get("reasons", []))


def missing_in_truth(world: World) -> set[tuple[str, str]]:
    """Return (transaction, token) of which the witness can know that a trade is not stored."""
    found = set()
    for place in world.lost:
        if place >= len(world.trades) or world.trades[place].transaction in world.ghosts:
            continue
        trade = world.trades[place]
        listed = trade.size / world.quirks.parts >= FLOOR
        if listed and HOUR.has(trade.block_ms):
            found.add((trade.transaction, str(trade.token)))
    return found


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_complete_is_never_said_of_an_hour_that_lacks_a_trade(world: World) -> None:
    if audit(world).result is AuditResult.COMPLETE:
        assert not missing_in_truth(world)


@given(worlds(loses=False))
@settings(max_examples=150, deadline=None)
def test_missing_is_never_said_of_an_hour_that_lacks_nothing(world: World) -> None:
    found = audit(world)

    assert found.result is not AuditResult.MISSING
    assert (found.missing, found.outside_gaps) == (0, 0)


@given(worlds())
@settings(max_examples=75, deadline=None)
def test_what_is_said_to_be_missing_is_missing(world: World) -> None:
    lost = {place for place in world.lost if place < len(world.trades)}
    found = audit(world)

    assert found.missing <= len(lost)
    assert found.outside_gaps <= found.missing
    assert found.missing <= found.theirs


@given(worlds(loses=False))
@settings(max_examples=75, deadline=None)
def test_a_witness_without_quirks_calls_a_whole_hour_complete(world: World) -> None:
    small = any(trade.size < FLOOR for trade in world.trades)
    found = audit(replace(world, quirks=Quirks(parts=world.quirks.parts)))

    assert found.result is AuditResult.COMPLETE or small
    assert found.unmatched == 0 or small


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("place", range(len(HEALTHY)))
def test_each_single_trade_that_is_lost_is_found(place: int, parts: int) -> None:
    world = World(HEALTHY, frozenset({place}), Quirks(parts=parts))
    found = audit(world)

    assert found.result is AuditResult.MISSING
    assert (found.missing, found.outside_gaps) == (1, 1)
    assert f'"{HEALTHY[place].transaction}"' in found.evidence
    assert found.ours == found.theirs - 1


def test_a_fill_told_twice_does_not_hide_that_one_like_it_was_settled_otherwise() -> None:
    three = [HEALTHY[9]] * 3
    quirks = Quirks(resent=frozenset({0}), told_twice=frozenset({0, 1}))

    assert audit(World(three, quirks=quirks)).result is AuditResult.UNKNOWN


def test_one_of_two_trades_of_a_transaction_is_found() -> None:
    twice = [HEALTHY[9], replace(HEALTHY[9], size=Decimal(3))]

    assert audit(World(twice)).result is AuditResult.COMPLETE
    assert audit(World(twice, frozenset({1}))).missing == 1


@pytest.mark.parametrize(
    ("quirks", "reason"),
    [
        (Quirks(ghosts=frozenset({5})), "trades not listed"),
        (Quirks(resent=frozenset({5})), "another transaction"),
        (Quirks(told_twice=frozenset({5})), "rows told twice"),
        (Quirks(combos=1), "other tokens"),
        (Quirks(cached_s=601), "answer too old"),
        (Quirks(cut=1), "too many pages"),
        (Quirks(nameless=frozenset({5})), "trades without a transaction"),
    ],
)
def test_each_quirk_makes_it_unknown_and_says_why(quirks: Quirks, reason: str) -> None:
    found = audit(World(HEALTHY, quirks=quirks))

    assert found.result is AuditResult.UNKNOWN
    assert reason in reasons(found)
    assert found.missing == 0


def test_small_trades_that_are_not_listed_make_it_unknown() -> None:
    small = [*HEALTHY, Traded(TOKENS[0], hash_of(77), Decimal("0.004"), NOON_MS)]

    assert audit(World(small)).result is AuditResult.COMPLETE
    found = audit(World(small, quirks=Quirks(dusty=True)))
    assert (found.result, reasons(found)) == (AuditResult.UNKNOWN, ["small trades not listed"])


def test_fills_of_which_small_ones_are_left_out_make_it_unknown() -> None:
    # 0.027 shares in three fills of 0.009: none is listed.
    trade = Traded(TOKENS[0], hash_of(77), Decimal("0.027"), NOON_MS)
    found = audit(World([*HEALTHY, trade], quirks=Quirks(parts=3, dusty=True)))

    assert (found.result, reasons(found)) == (AuditResult.UNKNOWN, ["trades not listed"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_known": False}, "market not listed"),
        ({"is_whole": False}, "too many pages"),
        ({"rejected": (("not JSON", 1),)}, "rows rejected"),
        ({"clock_wrong": True}, "clock wrong"),
        ({"made_at_ms": HOUR.end_ms + 299_999}, "answer too old"),
    ],
)
def test_an_answer_that_is_not_all_proves_nothing(change: dict[str, object], reason: str) -> None:
    world = World(HEALTHY)
    found = compare_told(world.stored, msgspec.structs.replace(world.told, **change))

    assert (found.result, reasons(found)) == (AuditResult.UNKNOWN, [reason])


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"is_whole": False}, "too many trades stored"), ({"tokens": ()}, "tokens not known")],
)
def test_what_is_not_read_as_a_whole_proves_nothing(change: dict[str, object], reason: str) -> None:
    found = compare_told(msgspec.structs.replace(World([]).stored, **change), World([]).told)

    assert (found.result, reasons(found)) == (AuditResult.UNKNOWN, [reason])


def test_what_was_missed_in_a_gap_is_told_apart() -> None:
    trade = Traded(TOKENS[0], hash_of(7), Decimal(7), NOON_MS)
    near = [(NOON_MS - 30_000, NOON_MS - 20_000)]
    far = [(NOON_MS - 600_000, NOON_MS - 500_000)]

    assert audit(World([trade], frozenset({0}), gaps=near)).outside_gaps == 0
    assert audit(World([trade], frozenset({0}), gaps=near)).result is AuditResult.MISSING
    assert audit(World([trade], frozenset({0}), gaps=far)).outside_gaps == 1


def test_spans_of_listening_that_touch_are_one() -> None:
    trade = Traded(TOKENS[0], hash_of(7), Decimal(7), NOON_MS)
    world = World([trade], frozenset({0}))
    token, begin, end = world.stored.covered[0]
    middle = NOON_MS - 30_000
    stored = msgspec.structs.replace(
        world.stored, covered=((token, middle, end), (token, begin, middle))
    )

    assert compare_told(stored, world.told).outside_gaps == 1


def test_an_equal_trade_from_before_the_time_that_was_asked_hides_nothing() -> None:
    before = Traded(TOKENS[0], hash_of(1), Decimal(5), START_MS - 200_000)
    lost = Traded(TOKENS[0], hash_of(2), Decimal(5), START_MS + 100_000)

    assert audit(World([before, lost], frozenset({1}))).missing == 1


def test_an_hour_without_trades_of_a_market_that_the_witness_lists_is_complete() -> None:
    found = audit(World([]))

    assert (found.result, found.theirs, found.ours) == (AuditResult.COMPLETE, 0, 0)


def test_evidence_shows_a_few_and_stays_short() -> None:
    found = audit(World(HEALTHY, frozenset(range(40))))

    assert found.missing == 40
    assert len(msgspec.json.decode(found.evidence)["missing"]) == 5
    assert len(found.evidence) < 4_000
