from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.market import Shard
from actors.model.trade import ConditionId

counts = st.integers(1, 12)
ids = st.integers(0, 2**256 - 1).map(lambda number: ConditionId(f"0x{number:064x}"))


def owner(condition_id: ConditionId, count: int) -> int:
    (found,) = [n for n in range(1, count + 1) if Shard(n, count).holds(condition_id)]
    return found


@given(ids, counts)
def test_every_market_belongs_to_exactly_one_shard(condition_id: ConditionId, count: int) -> None:
    assert 1 <= owner(condition_id, count) <= count


@given(ids, counts)
def test_one_more_shard_takes_markets_and_moves_none_between_the_others(
    condition_id: ConditionId, count: int
) -> None:
    assert owner(condition_id, count + 1) in (owner(condition_id, count), count + 1)


@given(ids)
def test_the_whole_is_one_shard_and_spelling_does_not_matter(condition_id: ConditionId) -> None:
    assert Shard().holds(condition_id)
    assert owner(condition_id, 5) == owner(ConditionId(condition_id.upper()), 5)


def test_shards_are_of_one_size() -> None:
    sizes = Counter(owner(ConditionId(f"0x{number:064x}"), 4) for number in range(8_000))
    assert all(1_850 < size < 2_150 for size in sizes.values())


def test_the_owner_never_changes_between_versions() -> None:
    assert [owner(ConditionId(f"0x{n:064x}"), 3) for n in range(12)] == [
        2,
        1,
        3,
        2,
        3,
        1,
        2,
        2,
        3,
        3,
        2,
        2,
    ]


def test_a_shard_is_read_as_it_is_written() -> None:
    assert Shard.parse("2/3") == Shard(2, 3)


@pytest.mark.parametrize(
    "text", ["", "1", "0/3", "4/3", "1/0", "a/b", "-1/2", "1/2/3", "1.5/2", "²/3"]
)
def test_anything_else_is_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match="is no shard"):
        Shard.parse(text)
