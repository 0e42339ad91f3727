"""Splits a training table so that what belongs together stays on one side."""

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_PARTS = 1 << 32


def is_in_test(group: str, test: float, seed: str) -> bool:
    """Return whether a group is in the test part: always the same for a group and a seed."""
    digest = blake2b(f"{seed}\0{group}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) < test * _PARTS


def split(
    frame: "pl.DataFrame", test: float = 0.2, *, seed: str = "0"
) -> "tuple[pl.DataFrame, pl.DataFrame]":
    """Return the rows to train with and those to test with, by the column `group`.

    A group is on the same side whatever other rows there are, so more days move nothing over.

    Args:
        frame: A table of `Dataset.training`.
        test: Which share of the groups is to be in the test, from 0 to 1.
        seed: Another one gives another split.

    Raises:
        ValueError: The share is none.
    """
    import polars as pl  # noqa: PLC0415 - only who asks for frames needs it

    if not 0 <= test <= 1:
        raise ValueError(f"test: must be from 0 to 1, not {test}")
    groups = frame.get_column("group").unique().to_list()
    chosen = [group for group in groups if is_in_test(group, test, seed)]
    inside = pl.col("group").is_in(chosen)
    return frame.filter(~inside), frame.filter(inside)
