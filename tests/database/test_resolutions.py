"""A resolution is recorded with what each token pays, and only when its evidence is stored."""

from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from actors.database.store import Store
from actors.model.market import Confirmation, Naming, Source, TimeWindow, TokenPayout
from actors.model.storage import Batch
from actors.model.trade import ConditionId
from tests.database.samples import (
    CONDITION,
    NO,
    YES,
    at,
    market,
    ns,
    observation,
    resolution,
    trade,
)
from tests.postgres import ask, do

pytestmark = pytest.mark.db

T0 = ns(0) // 1_000_000
DAY_MS = 86_400_000
OTHER = ConditionId("0x" + "b2" * 32)
ONE, NONE, HALF = Decimal(1), Decimal(0), Decimal("0.5")
LOST = ((YES, NONE), (NO, ONE))
PAYOUTS = "select token_id, outcome, payout from resolution_payouts order by token_id"
RESOLVED = "select condition_id from resolutions order by 1"
REJECTED = "select reason, payload, connection from rejected_messages"


# ---------------------------------------------------------------------- payouts


def test_what_each_token_pays_is_recorded_with_the_resolution(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))

    assert ask(database, PAYOUTS) == [(YES, "Yes", ONE), (NO, "No", NONE)]


def test_an_old_answer_that_calls_a_resolved_market_open_is_told_from_others(store: Store) -> None:
    """Else a tracker that was just started watches it, and waits for books that never come."""
    news = market(condition_id=OTHER, tokens=("7", "8"))
    store.commit(Batch(markets=(market(closed=True),), resolutions=(resolution(),)))
    assert store.commit(Batch(markets=(market(closed=True), news))).resolved == ()
    assert store.commit(Batch(markets=(market(), news))).resolved == (CONDITION,)
    store.commit(Batch(resolutions=(resolution(condition_id=OTHER),)))
    assert store.commit(Batch(markets=(market(), news))).resolved == (CONDITION, OTHER)


def test_a_split_pays_half_for_each_token(store: Store, database: str) -> None:
    split = resolution(
        kind="split", winning_token_id=None, winning_outcome=None, payouts=(HALF, HALF)
    )
    store.commit(Batch(resolutions=(split,)))

    assert ask(database, PAYOUTS) == [(YES, "Yes", HALF), (NO, "No", HALF)]


def test_a_later_listing_in_another_order_moves_no_payout(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    store.commit(Batch(markets=(market(tokens=(NO, YES)),)))

    assert ask(database, PAYOUTS) == [(YES, "Yes", ONE), (NO, "No", NONE)]


def test_a_name_about_which_sources_disagree_is_null(store: Store, database: str) -> None:
    bare = tuple(
        TokenPayout(token_id=token, outcome=None, payout=payout)
        for token, payout in ((YES, ONE), (NO, NONE))
    )
    store.commit(Batch(resolutions=(resolution(winning_outcome=None, by_token=bare),)))

    assert ask(database, PAYOUTS) == [(YES, None, ONE), (NO, None, NONE)]
    assert ask(database, "select kind, winning_token_id, winning_outcome from resolutions") == [
        ("winner", YES, None)
    ]


def test_a_second_resolution_of_a_market_changes_no_payout(store: Store, database: str) -> None:
    other = resolution(winning_token_id=NO, winning_outcome="No", payouts=(NONE, ONE))
    store.commit(Batch(resolutions=(resolution(),)))
    store.commit(Batch(resolutions=(other,)))
    store.commit(Batch(resolutions=(resolution(),)))

    assert ask(database, PAYOUTS) == [(YES, "Yes", ONE), (NO, "No", NONE)]


@pytest.mark.parametrize("table", ["resolution_payouts", "resolution_confirmations"])
@pytest.mark.parametrize(
    "command", ["update {} set condition_id = 'x'", "delete from {}", "truncate {}"]
)
def test_payouts_and_confirmations_cannot_be_changed(
    store: Store, database: str, table: str, command: str
) -> None:
    store.commit(Batch(resolutions=(resolution(),), confirmations=(confirmed(Source.CHAIN),)))
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        do(database, command.format(table))


def test_a_recheck_reads_the_payouts_back_by_token(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    ((at_ms,),) = ask(
        database, "select (extract(epoch from recorded_at) * 1000)::bigint from resolutions"
    )
    ((found,),) = store.resolutions_to_check(TimeWindow(at_ms, at_ms + DAY_MS))

    assert found.resolution.by_token == resolution().by_token
    assert found.resolution.evidence == ()


# --------------------------------------------------------------------- evidence


def test_the_evidence_on_a_resolution_is_stored_with_it(store: Store, database: str) -> None:
    store.commit(Batch(resolutions=(resolution(),)))

    query = "select source, o.verdict from resolution_observations o order by 1"
    assert ask(database, query) == [("clob", f"winner {YES}"), ("gamma", f"winner {YES}")]
    assert ask(database, RESOLVED) == [(CONDITION,)]


def test_evidence_that_repeats_what_is_stored_is_not_stored_again(
    store: Store, database: str
) -> None:
    store.commit(Batch(observations=resolution().evidence))
    later = tuple(
        msgspec.structs.replace(each, observed_at_ms=T0 + 120_000) for each in resolution().evidence
    )
    store.commit(Batch(resolutions=(resolution(evidence=later),)))

    query = "select source, observed_at from resolution_observations order by 1"
    assert ask(database, query) == [("clob", at(0)), ("gamma", at(0))]
    assert ask(database, RESOLVED) == [(CONDITION,)]


def test_evidence_that_was_read_back_without_its_payload_is_enough(
    store: Store, database: str
) -> None:
    bare = tuple(msgspec.structs.replace(each, payload="") for each in resolution().evidence)
    store.commit(Batch(observations=resolution().evidence))
    store.commit(Batch(resolutions=(resolution(evidence=bare),)))

    assert ask(database, "select distinct payload from resolution_observations") == [
        ({"closed": True},)
    ]
    assert ask(database, RESOLVED) == [(CONDITION,)]


BROKEN: dict[str, dict[str, Any]] = {
    "nothing is stored": {"evidence": ()},
    "one of two sources is missing": {"evidence": (observation(),)},
    "a source is final for another token": {
        "evidence": (observation(), observation(source=Source.CLOB, payouts=LOST))
    },
    "a source is not final": {
        "evidence": (observation(), observation(source=Source.CLOB, payouts=None, reason="open"))
    },
    "a source took it back since": {
        "evidence": (
            *resolution().evidence,
            observation(observed_at_ms=T0 + 1, payouts=None, reason="disputed"),
        )
    },
    "no source is named": {"sources": ()},
    "the tokens are others": {"by_token": resolution((YES, "3")).by_token},
    "the winner is another than what is paid": {"winning_token_id": NO},
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_resolution_without_its_evidence_is_kept_and_not_recorded(
    store: Store, database: str, how: str
) -> None:
    whole = resolution(
        condition_id=OTHER,
        tokens=("3", "4"),
        winning_token_id="3",
        sources=(Source.DATA, Source.CHAIN),
    )
    broken = resolution(**BROKEN[how])
    committed = store.commit(
        Batch(trades=(trade(1),), markets=(market(),), resolutions=(broken, whole))
    )

    assert committed.unproven == (CONDITION,)
    assert (committed.stored, committed.rejected) == (1, 0)  # nothing else suffers
    assert ask(database, RESOLVED) == [(OTHER,)]
    assert ask(database, "select distinct condition_id from resolution_payouts") == [(OTHER,)]
    ((reason, payload, connection),) = ask(database, REJECTED)
    assert (reason, connection) == ("evidence missing", "database")
    assert CONDITION.encode() in payload
    assert ask(database, "select condition_id from tracker.unresolved") == [(CONDITION,)]


def test_what_was_not_proven_is_recorded_when_it_comes_with_its_evidence(
    store: Store, database: str
) -> None:
    for _ in range(2):
        store.commit(Batch(resolutions=(resolution(evidence=()),)))
    assert ask(database, RESOLVED) == []
    assert len(ask(database, REJECTED)) == 1
    assert store.commit(Batch(resolutions=(resolution(),))).unproven == ()

    assert ask(database, RESOLVED) == [(CONDITION,)]


def test_a_stored_resolution_needs_no_evidence_once_more(store: Store, database: str) -> None:
    store.commit(Batch(resolutions=(resolution(),)))
    again = store.commit(Batch(resolutions=(resolution(evidence=()),)))

    assert again.unproven == ()
    assert ask(database, REJECTED) == []


def test_many_unproven_resolutions_do_not_stop_the_storing(store: Store) -> None:
    many = tuple(
        resolution(condition_id=ConditionId(f"0x{number:064x}"), evidence=())
        for number in range(300)
    )
    committed = store.commit(Batch(trades=(trade(1),), resolutions=many))

    assert committed.stored == 1
    assert len(committed.unproven) == 300


def test_a_bad_row_of_the_same_batch_is_counted_once(store: Store, database: str) -> None:
    """The batch is stored a second time, carefully."""
    broken = resolution(evidence=())
    unstorable = market(OTHER, ("3", "3"))
    committed = store.commit(Batch(markets=(unstorable,), resolutions=(broken,)))

    assert committed.unproven == (CONDITION,)
    query = "select reason from rejected_messages where reason = 'evidence missing'"
    assert len(ask(database, query)) == 1


def test_how_an_observation_names_its_tokens_reads_back(store: Store) -> None:
    named = observation(
        naming=Naming.COMPUTED_SLOT, names=((YES, "Yes"), (NO, "No \N{RIGHTWARDS ARROW}"))
    )
    store.commit(Batch(observations=(named, observation(source=Source.CLOB))))
    found = {each.source: each for each in store.stored_evidence([CONDITION]).observations}

    assert found[Source.GAMMA].naming is Naming.COMPUTED_SLOT
    assert dict(found[Source.GAMMA].names) == dict(named.names)
    assert (found[Source.CLOB].naming, found[Source.CLOB].names) == (Naming.BY_ID, ())


def test_another_naming_or_another_name_is_news_and_none_told_is_not(
    store: Store, database: str
) -> None:
    def said(second: int, naming: Naming, *names: str) -> None:
        told = tuple(zip((YES, NO), names, strict=False))
        observed = observation(observed_at_ms=T0 + second, naming=naming, names=told)
        store.commit(Batch(observations=(observed,)))

    said(1, Naming.OWN_LIST, "Yes", "No")
    said(2, Naming.OWN_LIST)
    said(3, Naming.OWN_LIST, "Yes", "No")
    said(4, Naming.OWN_LIST, "No", "Yes")
    said(5, Naming.BY_ID, "No", "Yes")

    query = "select naming, names->>%s from resolution_observations order by observed_at"
    assert ask(database, query, YES) == [
        ("own list", "Yes"),
        ("own list", "No"),
        ("token id", "No"),
    ]


# ---------------------------------------------------------------- confirmations


def confirmed(source: Source, at_ms: int = T0) -> Confirmation:
    return Confirmation(condition_id=CONDITION, source=source, confirmed_at_ms=at_ms)


def test_each_source_confirms_a_resolution_once(store: Store, database: str) -> None:
    store.commit(Batch(confirmations=(confirmed(Source.CHAIN), confirmed(Source.DATA))))
    store.commit(Batch(confirmations=(confirmed(Source.CHAIN, T0 + 5),)))

    query = "select condition_id, source, confirmed_at from resolution_confirmations order by 2"
    assert ask(database, query) == [(CONDITION, "chain", at(0)), (CONDITION, "data", at(0))]
