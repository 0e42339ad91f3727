"""The chain as arbiter: it proves what is missing, and never says more than it was asked."""

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings

from actors.audit.arbitration import MOST_ASKED, arbitrate, in_dispute
from actors.audit.comparison import FLOOR, HOUR_MS
from actors.model.audit import Audit, AuditResult, Witness
from actors.polymarket.contract.receipts import Settlement, State, unknown
from tests.audit.chain_model import CHAIN_QUIRKS, ChainQuirks, settlements
from tests.audit.quirky import HOUR, START_MS, TOKENS, Quirks, Traded, World, hash_of, worlds
from tests.audit.test_comparison import CHECKED_MS, HEALTHY, NOON_MS, compare_told

CLEAR = ChainQuirks()


def disputes(world: World) -> tuple[str, ...]:
    return in_dispute(HOUR, world.stored, world.told)


def judge(world: World, *said: Settlement) -> Audit:
    return arbitrate(HOUR, world.stored, world.told, said, checked_at_ms=CHECKED_MS)


def audit(world: World, quirks: ChainQuirks = CLEAR) -> Audit:
    return judge(world, *settlements(world, quirks, disputes(world)[:MOST_ASKED]))


def counts(found: Audit) -> dict[str, int]:
    return dict(msgspec.json.decode(found.evidence).get("counts", {}))


@given(worlds(loses=False), CHAIN_QUIRKS)
@settings(max_examples=150, deadline=None)
def test_missing_is_never_said_of_an_hour_that_lacks_nothing(
    world: World, quirks: ChainQuirks
) -> None:
    found = audit(world, quirks)

    assert found.result is AuditResult.UNKNOWN
    assert (found.missing, found.outside_gaps) == (0, 0)


@given(worlds(), CHAIN_QUIRKS)
@settings(max_examples=150, deadline=None)
def test_complete_is_never_said_and_what_is_missing_was_settled_and_is_not_stored(
    world: World, quirks: ChainQuirks
) -> None:
    found = audit(world, quirks)
    lost = {at for at in world.lost if at < len(world.trades)}
    settled = {at for at in lost if world.trades[at].transaction not in world.ghosts}

    assert found.result is not AuditResult.COMPLETE
    assert found.witness is Witness.CHAIN
    assert found.missing <= len(settled)
    assert found.outside_gaps <= found.missing <= found.theirs
    assert found.unmatched <= found.ours
    assert "reasons" in msgspec.json.decode(found.evidence) or found.missing


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("place", range(0, len(HEALTHY), 4))
def test_each_single_trade_that_is_lost_is_proven(place: int, parts: int) -> None:
    world = World(HEALTHY, frozenset({place}), Quirks(parts=parts))
    found = audit(world)

    assert disputes(world) == (HEALTHY[place].transaction,)
    assert (found.result, found.missing, found.outside_gaps) == (AuditResult.MISSING, 1, 1)
    assert (found.theirs, found.ours) == (1, 0)
    assert HEALTHY[place].transaction in found.evidence


def test_nothing_is_in_dispute_where_both_sides_agree() -> None:
    assert disputes(World(HEALTHY)) == ()


def test_what_is_missing_comes_first_then_what_is_not_listed() -> None:
    world = World(HEALTHY, frozenset({40}), Quirks(ghosts=frozenset({5, 6})))

    assert disputes(world)[0] == HEALTHY[40].transaction
    assert set(disputes(world)[1:]) == {HEALTHY[5].transaction, HEALTHY[6].transaction}


def test_a_list_that_was_cut_is_no_evidence_against_what_is_stored() -> None:
    world = World(HEALTHY, frozenset({40}), Quirks(cut=20))

    assert disputes(world) == (HEALTHY[40].transaction,)


def test_the_chain_can_prove_what_another_stored_trade_would_explain() -> None:
    # The one that is stored and not listed is settled as itself, so it cannot be the other one.
    token = TOKENS[0]
    lost = Traded(token, hash_of(1), Decimal(5), NOON_MS)
    unlisted = Traded(token, hash_of(2), Decimal(5), NOON_MS + 1_000)
    world = World([lost, unlisted], frozenset({0}))
    told = world.told
    told = msgspec.structs.replace(told, fills=tuple(f for f in told.fills if f.size == 5)[:0])
    listed = [each for each in world.told.fills if each.transaction == lost.transaction]
    told = msgspec.structs.replace(told, fills=tuple(listed))
    names = in_dispute(HOUR, world.stored, told)
    found = arbitrate(
        HOUR, world.stored, told, settlements(world, CLEAR, names), checked_at_ms=CHECKED_MS
    )

    assert compare_told(world.stored, told).result is AuditResult.UNKNOWN
    assert set(names) == {lost.transaction, unlisted.transaction}
    assert (found.result, found.missing) == (AuditResult.MISSING, 1)


def test_a_listed_transaction_that_failed_contradicts_the_list() -> None:
    world = World(HEALTHY, frozenset({9}))
    failed = Settlement(transaction=HEALTHY[9].transaction, state=State.FAILED, block="0x1")
    found = judge(world, failed)

    assert compare_told(world.stored, world.told).result is AuditResult.MISSING
    assert (found.result, found.missing, found.theirs) == (AuditResult.UNKNOWN, 0, 0)
    assert counts(found) == {"not on the chain": 1}


def test_a_listed_transaction_that_settled_another_token_contradicts_the_list() -> None:
    world = World(HEALTHY, frozenset({9}))
    other = replace(HEALTHY[9], token=TOKENS[HEALTHY[9].token == TOKENS[0]])
    said = settlements(World([other]), CLEAR, (other.transaction,))
    found = judge(world, *said)

    assert counts(found) == {"not on the chain": 1}
    # Of the other token it settled what nobody stored: that is missing all the same.
    assert found.missing == 1


def test_a_list_that_says_more_than_was_settled_is_contradicted() -> None:
    world = World(HEALTHY, frozenset({9}))
    half = settlements(world, ChainQuirks(short=frozenset({9})), disputes(world))
    stored = World([replace(HEALTHY[9], size=HEALTHY[9].size / 2)]).stored
    found = arbitrate(HOUR, stored, world.told, half, checked_at_ms=CHECKED_MS)

    assert counts(found) == {"logs disagree": 1, "not on the chain": 1}
    assert found.missing == 0


@pytest.mark.parametrize(
    ("quirks", "why"),
    [
        (ChainQuirks(null=frozenset({9})), "no receipt"),
        (ChainQuirks(emptied=frozenset({9})), "no trade in the logs"),
        (ChainQuirks(timeless=frozenset({9})), "time of the block unknown"),
    ],
)
def test_what_a_node_does_not_say_proves_nothing(quirks: ChainQuirks, why: str) -> None:
    found = audit(World(HEALTHY, frozenset({9})), quirks)

    assert (found.result, found.missing, counts(found)) == (AuditResult.UNKNOWN, 0, {why: 1})


def test_what_was_settled_on_another_day_is_not_missing_in_this_hour() -> None:
    world = World(HEALTHY, frozenset({9}))
    found = audit(world, ChainQuirks(skew_ms=-86_400_000))

    assert (found.result, counts(found)) == (AuditResult.UNKNOWN, {"not in that hour": 1})


def test_a_ghost_is_shown_as_stored_and_not_settled() -> None:
    world = World(HEALTHY, quirks=Quirks(ghosts=frozenset({5})))
    found = audit(world, ChainQuirks(ghosts_failed=True))

    assert (found.result, found.unmatched, found.ours) == (AuditResult.UNKNOWN, 1, 1)
    assert counts(found) == {"stored and not settled": 1}


def test_what_is_settled_otherwise_and_stored_is_not_missing() -> None:
    world = World(HEALTHY, quirks=Quirks(resent=frozenset({5})))
    found = audit(world)

    assert (found.result, found.missing) == (AuditResult.UNKNOWN, 0)
    assert counts(found) == {"another transaction": 1, "no receipt": 1}


def test_what_was_stored_meanwhile_is_not_missing() -> None:
    world = World(HEALTHY, frozenset({9}))
    said = settlements(world, CLEAR, disputes(world))
    found = judge(replace(world, lost=frozenset()), *said)

    assert (found.missing, found.theirs, found.ours) == (0, 1, 1)
    assert counts(found) == {"no longer in dispute": 1}


def test_what_was_missed_in_a_gap_is_told_apart() -> None:
    trade = Traded(TOKENS[0], hash_of(7), Decimal(7), NOON_MS)
    world = World([trade], frozenset({0}), gaps=[(NOON_MS - 30_000, NOON_MS - 20_000)])
    found = audit(world)

    assert (found.missing, found.outside_gaps) == (1, 0)


def test_smaller_trades_are_not_judged() -> None:
    small = Traded(TOKENS[0], hash_of(77), Decimal("0.004"), START_MS + HOUR_MS // 2)
    dusty = World([*HEALTHY, small], quirks=Quirks(dusty=True))

    assert disputes(dusty) == ()
    said = Settlement(
        transaction=small.transaction,
        state=State.SETTLED,
        shares=((small.token, FLOOR / 2, FLOOR / 2),),
        at_ms=small.block_ms,
    )
    assert judge(World([*HEALTHY, small], frozenset({len(HEALTHY)})), said).missing == 0
    assert judge(World(HEALTHY), unknown(hash_of(3), "no receipt")).ours == 1
