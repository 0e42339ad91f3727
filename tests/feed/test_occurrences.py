from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.feed.ingest import OccurrenceCounter
from actors.model.trade import Trade, trade_hashes
from tests.polymarket.feed_samples import HASH, sample_trade

START_MS = 1_790_000_000_000


def at(ms: int, **changes: object) -> Trade:
    """Return a trade of this time, received half a second later."""
    received_at_ns = (START_MS + ms + 500) * 1_000_000
    return sample_trade(traded_at_ms=START_MS + ms, received_at_ns=received_at_ns, **changes)


def occurrences(counter: OccurrenceCounter, trades: Sequence[Trade]) -> list[int]:
    return [trade.occurrence for trade in counter.number(trades).trades]


def test_identical_trades_are_counted_from_one() -> None:
    trade = at(0)
    assert occurrences(OccurrenceCounter(), [trade, at(0, side="SELL"), trade, trade]) == [
        1,
        1,
        2,
        3,
    ]


def test_counting_goes_on_from_frame_to_frame() -> None:
    counter = OccurrenceCounter()
    assert occurrences(counter, [at(0)]) == [1]
    assert occurrences(counter, [at(0)]) == [2]


def test_another_connection_counts_for_itself() -> None:
    assert (
        occurrences(OccurrenceCounter(), [at(0)])
        == occurrences(OccurrenceCounter(), [at(0)])
        == [1]
    )


def test_nothing_but_the_number_changes() -> None:
    (first, second), hashes, most = OccurrenceCounter().number([at(0), at(0)])
    assert first == at(0)
    assert second == at(0, occurrence=2)
    assert (hashes, most) == (trade_hashes((first, second)), 2)


@pytest.mark.parametrize(
    "change",
    [
        {"token_id": "1"},
        {"price": Decimal("0.1")},
        {"size": Decimal(1)},
        {"side": "SELL"},
        {"transaction_hash": None},
        {"transaction_hash": HASH[:-2] + "00"},
        {"traded_at_ms": START_MS + 1},
    ],
)
def test_trades_that_differ_in_what_identifies_them_are_not_identical(
    change: dict[str, object],
) -> None:
    fields = {"traded_at_ms": START_MS, **change}
    assert occurrences(OccurrenceCounter(), [at(0), sample_trade(**fields)]) == [1, 1]


def test_one_amount_spelt_twice_is_one_amount() -> None:
    identical = [at(0, price=Decimal("0.5")), at(0, price=Decimal("0.50"))]
    assert occurrences(OccurrenceCounter(), identical) == [1, 2]


def test_identical_trades_are_recognised_within_the_window_whatever_comes_between() -> None:
    counter = OccurrenceCounter(window_ms=600_000)
    assert occurrences(counter, [at(0), at(599_000), at(0)]) == [1, 1, 2]


def test_what_lies_behind_the_window_is_forgotten() -> None:
    counter = OccurrenceCounter(window_ms=600_000)
    assert occurrences(counter, [at(0), at(620_000), at(0)]) == [1, 1, 1]
    assert len(counter) == 2


def test_a_trade_of_tomorrow_does_not_push_today_out() -> None:
    counter = OccurrenceCounter(window_ms=600_000)
    tomorrow = sample_trade(traded_at_ms=START_MS + 80_000_000, received_at_ns=START_MS * 1_000_000)
    assert occurrences(counter, [at(0), tomorrow, at(0), tomorrow]) == [1, 1, 2, 2]


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    counter = OccurrenceCounter(window_ms=600_000, most_keys=1_000)
    for ms in range(0, 500_000, 100):
        counter.number([at(ms)])
        assert len(counter) <= 1_000
    assert occurrences(counter, [at(499_900)]) == [2]
    assert occurrences(counter, [at(0)]) == [1]


def test_memory_is_bounded_when_all_trades_carry_one_time() -> None:
    counter = OccurrenceCounter(most_keys=100)
    trades = [at(0, size=Decimal(n)) for n in range(1, 1_001)]
    assert set(occurrences(counter, trades)) == {1}
    assert len(counter) <= 100
    assert occurrences(counter, trades[-1:]) == [2]


@given(
    st.lists(
        st.builds(
            at,
            st.integers(0, 3),
            price=st.sampled_from([Decimal("0.5"), Decimal("0.50"), Decimal("0.6")]),
            side=st.sampled_from(["BUY", "SELL"]),
        ),
        max_size=40,
    ),
    st.integers(1, 40),
)
def test_the_kth_identical_trade_is_number_k_however_frames_are_cut(
    trades: list[Trade], size: int
) -> None:
    counter, seen = OccurrenceCounter(), Counter[tuple[object, ...]]()
    numbered = [
        trade
        for start in range(0, len(trades), size)
        for trade in counter.number(trades[start : start + size]).trades
    ]
    for trade in numbered:
        identity = (trade.traded_at_ms, trade.price, trade.side)
        seen[identity] += 1
        assert trade.occurrence == seen[identity]


def test_a_trade_that_was_numbered_was_seen_and_another_was_not() -> None:
    counter = OccurrenceCounter()
    counter.number([at(0), at(0)])
    assert counter.seen(at(0, occurrence=2))
    assert not counter.seen(at(0, occurrence=3))
    assert not counter.seen(at(1))
    assert len(counter) == 1


@given(
    st.lists(st.sampled_from((0, 1, 9_999, 10_000, 599_000, 620_000)), min_size=1, max_size=12),
    st.data(),
)
def test_the_numbers_do_not_depend_on_what_is_numbered_together(
    times: list[int], data: st.DataObject
) -> None:
    together, apart = OccurrenceCounter(most_keys=3), OccurrenceCounter(most_keys=3)
    cut = data.draw(st.integers(0, len(times)))
    some = [at(ms) for ms in times[:cut]]
    others = [at(ms) for ms in times[cut:]]
    once = together.number([*some, *others])
    parts = apart.number(some), apart.number(others)

    assert once.trades == parts[0].trades + parts[1].trades
    assert once.hashes == parts[0].hashes + parts[1].hashes
    assert once.hashes == trade_hashes(once.trades)
