"""Chunks hold every item once, in order, and are of the type that was cut."""

from hypothesis import given
from hypothesis import strategies as st

from actors.model.conversion import chunks


@given(st.lists(st.integers()).map(tuple), st.integers(1, 5))
def test_no_chunk_is_too_long_and_together_they_are_the_whole(
    items: tuple[int, ...], size: int
) -> None:
    found = list(chunks(items, size))
    assert sum(found, ()) == items
    assert all(0 < len(chunk) <= size for chunk in found)
    assert all(len(chunk) == size for chunk in found[:-1])


def test_slices_are_of_the_type_of_the_items() -> None:
    assert list(chunks(range(5), 3)) == [range(3), range(3, 5)]
    assert list(chunks([1, 2], 1)) == [[1], [2]]
