"""Cut what may be long into parts of bounded size."""

from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


@overload
def chunks(items: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]: ...
@overload
def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]: ...
def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Return the items in order, at most `size` at a time, as slices of the same type."""
    return (items[start : start + size] for start in range(0, len(items), size))
