from decimal import Decimal

import pytest

from actors.model import facts
from actors.model.market import Asset, Contradiction, Market, Observation, Resolution, Source
from actors.model.storage import Batch, ConnectionEvent, RejectedRow
from actors.model.trade import Rejection, TokenId, trade_hashes
from actors.writer.gather import PLACE_BITS, FindingsBatch, TradeBatch, replay, to_batch
from tests.polymarket.feed_samples import CONDITION, RECEIVED_NS, framed, sample_trade, trade_hash

ALIVE = facts.ProcessAlive(at_ns=7)
STOPPED = facts.ProcessStopped(at_ns=9)


def rejection(payload: bytes = b"{") -> Rejection:
    return Rejection(reason="r", payload=payload, received_at_ns=1)


def frames(
    *occurrences: int, raws: tuple[bytes, ...] | None = None, hashes: tuple[int, ...] = ()
) -> facts.FramesSeen:
    """Return frames with a trade each, two of them unless it says something else."""
    return facts.FramesSeen(
        epoch=1,
        connection="a",
        received_at_ns=RECEIVED_NS,
        occurrences=occurrences,
        raws=(framed(), framed(side="SELL")) if raws is None else raws,
        hashes=hashes,
    )


def entry(seq: int, said: facts.Record) -> facts.Entry:
    return facts.Entry(seq, facts.encode(said))


# -------------------------------------------------------------------- gathered


def test_nothing_is_gathered_at_first() -> None:
    assert TradeBatch().size == (0, 0)


def test_received_and_read_frames_are_gathered_alike() -> None:
    told, read = TradeBatch(), TradeBatch()
    trades = (sample_trade(), sample_trade(side="SELL", occurrence=3))
    told.add_frames(4, "a", trades, trade_hashes(trades))
    read.add_entry(entry(4, frames(1, 3)), opened_at_seq=1)

    assert told.trades == read.trades == list(trades)
    assert told.hashes == read.hashes == list(trade_hashes(trades))
    assert told.ranges == read.ranges == [(4, 4)]
    assert told.size == read.size == (2, 1)


def test_hashes_of_this_process_are_not_computed_again() -> None:
    read = TradeBatch()
    read.add_entry(entry(4, frames(1, 3, hashes=(11, 12))), opened_at_seq=4)
    read.add_entry(entry(5, frames(1, 0, hashes=(13,))), opened_at_seq=4)
    assert read.hashes == [11, 12, 13]


@pytest.mark.parametrize(
    ("hashes", "opened_at_seq"), [((11, 12), 5), ((), 1), ((11,), 1), ((11, 12, 13), 1)]
)
def test_hashes_of_another_process_or_that_do_not_fit_are_computed_again(
    hashes: tuple[int, ...], opened_at_seq: int
) -> None:
    read = TradeBatch()
    read.add_entry(entry(4, frames(1, 1, hashes=hashes)), opened_at_seq=opened_at_seq)
    assert read.hashes == [trade_hash(sample_trade()), trade_hash(sample_trade(side="SELL"))]


def test_records_that_follow_each_other_are_one_range() -> None:
    gathered = TradeBatch()
    gathered.add_frames(4, "a", (sample_trade(), sample_trade(side="SELL")), (11, 12))
    gathered.add_fact(5, STOPPED)
    gathered.add_frames(7, "a", (sample_trade(),), (13,))

    assert gathered.ranges == [(4, 5), (7, 7)]
    assert gathered.records == 3
    assert gathered.size == (3, 3)
    assert gathered.hashes == [11, 12, 13]


def test_rejections_keep_their_place_in_the_journal() -> None:
    gathered = TradeBatch()
    gathered.add_frames(4, "a", (), (), (rejection(b"1"), rejection(b"2")))
    gathered.add_frames(5, "b", (), (), (rejection(b"3"),))

    assert gathered.rejections == [
        RejectedRow(seq=4, index=0, connection="a", rejection=rejection(b"1")),
        RejectedRow(seq=4, index=1, connection="a", rejection=rejection(b"2")),
        RejectedRow(seq=5, index=0, connection="b", rejection=rejection(b"3")),
    ]


def test_a_rejected_event_is_kept_with_its_connection_its_number_and_what_it_may_be() -> None:
    told, read = TradeBatch(), TradeBatch()
    raws = (together(BAD, framed(), BAD, b'{"event_type":"news"}'), b"<html>")
    journalled = frames(2, *rejected((0, 1), (1, 4), (1, 2), (1, 1)), raws=raws)
    trades, rejections = replay(journalled)
    told.add_frames(4, "a", trades, trade_hashes(trades), rejections, epoch=1)
    read.add_entry(entry(4, journalled), opened_at_seq=1)

    assert told.rejections == read.rejections
    found = [(row.epoch, row.rejection.occurrence, row.doubts) for row in read.rejections]
    token = trades[0].token_id
    assert found == [(1, 1, (token,)), (1, 4, (token,)), (1, 2, ()), (1, 1, ())]


@pytest.mark.parametrize(
    "body", [b'\xff"a": 1', b"\xc1", b"\x93\xa3new\x01\x02", b"\x92\xa5close\x05"]
)
@pytest.mark.parametrize("opened_at_seq", [1, 9])
def test_from_a_record_that_is_not_understood_on_nothing_is_claimed(
    body: bytes, opened_at_seq: int
) -> None:
    """Whether it held trades or said that a token was lost is not known; it is kept verbatim."""
    gathered = TradeBatch()
    gathered.add_entry(facts.Entry(4, body, at_ns=77), opened_at_seq=opened_at_seq)

    assert gathered.facts == [(4, facts.RangeLost(4, 4))]
    (row,) = gathered.rejections
    assert (row.seq, row.connection, row.epoch, row.doubts) == (4, "journal", 0, ())
    assert (row.rejection.payload, row.rejection.received_at_ns) == (body, 77)
    assert (gathered.ranges, gathered.records) == ([(4, 4)], 1)


def test_the_kinds_of_records_that_are_not_understood_are_counted_by_their_names() -> None:
    gathered = TradeBatch()
    bodies = [b"\x93\xa3new\x01\x02", b"\x91\xa3new", b"\xc1", b"\x91\x07", b"\x91\xa2\x01\x02"]
    for seq, body in enumerate(bodies, 4):
        gathered.add_entry(facts.Entry(seq, body), opened_at_seq=1)

    assert gathered.unknown == {"new": 2, "": 3}


def test_a_fact_is_gathered_from_the_journal_too() -> None:
    gathered = TradeBatch()
    gathered.add_fact(3, STOPPED)
    gathered.add_entry(entry(2, ALIVE), opened_at_seq=9)

    assert gathered.facts == [(3, STOPPED), (2, ALIVE)]
    assert gathered.ranges == [(3, 3), (2, 2)]
    assert gathered.recovered == 0


def test_trades_and_rejections_of_an_earlier_process_are_counted_as_recovered() -> None:
    gathered = TradeBatch()
    bad = b"[" + framed() + b"," + framed(price="7") + b"]"
    gathered.add_entry(entry(4, frames(1, 1)), opened_at_seq=6)
    gathered.add_entry(entry(5, frames(1, raws=(bad,))), opened_at_seq=6)
    gathered.add_entry(entry(6, frames(1, 1)), opened_at_seq=6)

    assert gathered.recovered == 4


def test_a_record_of_an_unknown_kind_is_rejected_verbatim() -> None:
    gathered = TradeBatch()
    gathered.add_entry(facts.Entry(4, b"\xc1"), opened_at_seq=1)

    (aside,) = gathered.rejections
    assert (aside.seq, aside.connection, aside.rejection.payload) == (4, "journal", b"\xc1")
    assert gathered.ranges == [(4, 4)]


def test_a_record_of_an_unknown_kind_balances_in_the_accounting() -> None:
    """It is rejected by this process, so it must have come from somewhere."""
    gathered = TradeBatch()
    gathered.add_entry(facts.Entry(4, b"\xc1"), opened_at_seq=5)

    assert gathered.recovered == len(gathered.rejections) == 1


def test_a_frame_of_an_older_journal_is_read_like_frames() -> None:
    old = facts.FrameSeen(
        epoch=1,
        connection="a",
        received_at_ns=RECEIVED_NS,
        occurrences=(0, 3),
        raw=b"[" + framed() + b"," + framed(side="SELL") + b",{}]",
        hashes=(11,),
    )
    gathered = TradeBatch()
    gathered.add_entry(entry(4, old), opened_at_seq=5)

    assert gathered.trades == [sample_trade(side="SELL", occurrence=3)]
    assert gathered.hashes == [trade_hash(sample_trade(side="SELL", occurrence=3))]
    assert [aside.rejection.payload for aside in gathered.rejections] == [b"{}"]


# ---------------------------------------------------------------------- replay


def test_a_replay_keeps_the_given_occurrences_and_leaves_out_canaries() -> None:
    trades, rejections = replay(frames(0, 4))

    assert [(trade.side, trade.occurrence) for trade in trades] == [("SELL", 4)]
    assert rejections == ()


def test_a_trade_beyond_the_occurrences_is_the_first_of_its_kind() -> None:
    trades, _ = replay(frames(2))

    assert [trade.occurrence for trade in trades] == [2, 1]


def test_occurrences_beyond_the_trades_are_dropped() -> None:
    trades, _ = replay(frames(1, 2, 3))

    assert [trade.occurrence for trade in trades] == [1, 2]


def test_a_replay_gives_rejections_verbatim() -> None:
    trades, rejections = replay(frames(raws=(b"{",)))

    assert trades == ()
    assert [one.payload for one in rejections] == [b"{"]


# -------------------------------------------- a replay by a version that reads more
# `NEW` stands for an event that the version that journalled it rejected, and that is read now.

NEW, BAD = framed(size=12.5), framed(price="7")
SELL = framed(side="SELL")


def together(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


def rejected(*events: tuple[int, int]) -> tuple[int, ...]:
    return facts.rejected_numbers(facts.RejectedEvent(*event) for event in events)


def numbered(frames: facts.FramesSeen) -> list[tuple[str, int]]:
    trades, _ = replay(frames)
    return [
        ("new" if trade.size == Decimal("12.5") else trade.side, trade.occurrence)
        for trade in trades
    ]


def test_one_trade_more_is_numbered_by_its_event_and_shifts_no_other() -> None:
    raws = (together(framed(), NEW, BAD, SELL), NEW, framed())
    journalled = frames(4, 2, 5, *rejected((1, 7), (1, 1), (2, 8)), raws=raws)

    assert numbered(journalled) == [("BUY", 4), ("new", 7), ("SELL", 2), ("new", 8), ("BUY", 5)]


def test_one_trade_more_in_front_of_a_canary_leaves_the_canary_out() -> None:
    journalled = frames(0, 3, *rejected((0, 1)), raws=(NEW, framed(), SELL))

    assert numbered(journalled) == [("new", 1), ("SELL", 3)]


def test_what_is_still_rejected_changes_no_number() -> None:
    journalled = frames(2, 3, *rejected((0, 1), (1, 1)), raws=(together(BAD, framed(), BAD, SELL),))

    assert numbered(journalled) == [("BUY", 2), ("SELL", 3)]


def test_what_is_still_rejected_keeps_its_number_whatever_is_read_beside_it() -> None:
    raws = (together(NEW, BAD, framed(), BAD),)
    _, kept = replay(frames(2, *rejected((0, 5), (0, 7), (1, 8)), raws=raws))

    assert [each.occurrence for each in kept] == [7, 8]


def test_rejected_events_of_a_record_without_numbers_count_within_it() -> None:
    _, kept = replay(frames(2, raws=(together(BAD, framed(), BAD), b"<html>")))

    assert [each.occurrence for each in kept] == [1, 2, 1]


def test_numbers_of_rejected_events_are_beyond_the_trades_for_an_older_version() -> None:
    journalled = frames(2, 3, *rejected((0, 1)))

    assert journalled.occurrences[:2] == journalled.trade_occurrences == (2, 3)


@pytest.mark.parametrize("more", [(), (NEW,), (NEW, NEW)])
def test_in_a_record_without_numbers_of_rejected_events_each_trade_is_known_by_its_hash(
    more: tuple[bytes, ...],
) -> None:
    known = (sample_trade(occurrence=4), sample_trade(side="SELL", occurrence=2), sample_trade())
    hashes = tuple(map(trade_hash, known))
    journalled = frames(4, 2, 1, raws=(*more, framed(), SELL, framed()), hashes=hashes)

    found = numbered(journalled)
    assert [each for each in found if each[0] == "new"] == [("new", 1), ("new", 2)][: len(more)]
    assert sorted(found)[:3] == [("BUY", 1), ("BUY", 4), ("SELL", 2)]


def test_in_a_record_without_numbers_a_canary_counts_as_the_first_of_its_kind() -> None:
    hashes = (trade_hash(sample_trade(side="SELL", occurrence=3)),)
    journalled = frames(0, 3, raws=(NEW, framed(), SELL), hashes=hashes)

    assert numbered(journalled) == [("new", 1), ("BUY", 1), ("SELL", 3)]


# ----------------------------------------------------------------------- batch


def test_a_batch_carries_everything_and_facts_in_the_order_of_the_journal() -> None:
    gathered, knowledge = TradeBatch(), FindingsBatch()
    gathered.add_frames(4, "a", (sample_trade(),), (trade_hash(sample_trade()),), (rejection(),))
    gathered.add_fact(9, STOPPED)
    gathered.add_fact(2, ALIVE)
    market = Market(
        condition_id=CONDITION,
        question="?",
        slug="s",
        assets=(Asset(token_id=TokenId("1"), outcome="Yes", outcome_index=0),),
    )
    observation = Observation(
        condition_id=CONDITION,
        source=Source.GAMMA,
        observed_at_ms=1,
        payouts=((TokenId("1"), Decimal(1)),),
        reason="",
        payload="{}",
    )
    resolution = Resolution(
        condition_id=CONDITION,
        kind="split",
        winning_token_id=None,
        winning_outcome=None,
        payouts=(Decimal("0.5"), Decimal("0.5")),
        resolved_at_ms=1,
        sources=(Source.GAMMA, Source.CLOB),
    )
    contradiction = Contradiction(
        condition_id=CONDITION, detected_at_ms=1, recorded="a", observed="b", source=Source.CLOB
    )
    knowledge.markets.append(market)
    knowledge.observations.append(observation)
    knowledge.resolutions.append(resolution)
    knowledge.contradictions.append(contradiction)
    event = ConnectionEvent(at_ns=1, connection="a", event="connected", reason="")
    made = to_batch(gathered, knowledge, (event,), 10)

    assert made == Batch(
        trades=(sample_trade(),),
        hashes=(trade_hash(sample_trade()),),
        origins=((0, 4 << PLACE_BITS),),
        rejections=(RejectedRow(seq=4, index=0, connection="a", rejection=rejection()),),
        facts=((2, ALIVE), (9, STOPPED)),
        events=(event,),
        markets=(market,),
        observations=(observation,),
        resolutions=(resolution,),
        contradictions=(contradiction,),
        watermark=10,
    )


def test_two_facts_of_one_sequence_need_no_order_of_their_own() -> None:
    gathered = TradeBatch()
    gathered.add_fact(2, STOPPED)
    gathered.add_fact(2, ALIVE)

    assert to_batch(gathered, FindingsBatch(), (), 3).facts == ((2, STOPPED), (2, ALIVE))


def test_findings_are_there_as_soon_as_one_ticket_is() -> None:
    assert not FindingsBatch()
    by_catalog, by_resolution = FindingsBatch(), FindingsBatch()
    by_catalog.catalog_tickets.append(1)
    by_resolution.resolution_tickets.append(1)

    assert by_catalog
    assert by_resolution
