"""Ranges of coverage: what is joined when more listening to a token has become final. Pure.

A range is time without interruption in which a token was listened to in one journal, on any of its
connections and over any number of epochs. It keeps what is known of the listening that ended last
in it. A range without length says why listening ended at a moment before which nothing was proven;
of several without anything proven between them the last is kept, so that a connection that comes
and goes adds nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from actors.model.connection import GapCause


class Range(NamedTuple):
    """One range of one token; also one listening, before it is joined with others.

    Attributes:
        known_at: From when on this is known: its beginning, or when a part was stored that came
            late.
        epoch: That of the listening that ended last.
        confirmed_seq: The journal sequence with which that listening began …
        released_seq: … and with which it ended.
        cause: Why it ended.
    """

    asset_key: int
    from_at: datetime
    until_at: datetime
    known_at: datetime
    epoch: int
    confirmed_seq: int
    released_seq: int
    cause: str

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was proven."""
        return self.from_at == self.until_at


class Changes(NamedTuple):
    """What is to be stored: `upserted` replace what begins at the same time."""

    deleted: tuple[Range, ...]
    upserted: tuple[Range, ...]


def spans(parts: Iterable[Range]) -> list[tuple[int, datetime, datetime]]:
    """Return for each token the time from its first part to the end of its last."""
    found: list[tuple[int, datetime, datetime]] = []
    for asset_key, some in _by_token(parts):
        found.append((asset_key, some[0].from_at, max(each.until_at for each in some)))
    return found


def join(parts: Iterable[Range], stored: Sequence[Range]) -> Changes:
    """Return how the stored ranges change when these parts are added.

    Args:
        parts: Listening that is final.
        stored: The ranges that the `spans` of the parts touch, and the last one before each.
    """
    real = [part for part in parts if part.confirmed_seq != part.released_seq]
    wanted = {_place(each): each for each in _joined([*real, *stored])}
    before = {_place(each): each for each in stored}
    return Changes(
        deleted=tuple(each for place, each in before.items() if place not in wanted),
        upserted=tuple(each for place, each in wanted.items() if before.get(place) != each),
    )


def _joined(ranges: Iterable[Range]) -> list[Range]:
    found: list[Range] = []
    for _, some in _by_token(ranges):
        ours: list[Range] = []
        for each in some:
            last = ours[-1] if ours else None
            if last is not None and each.from_at <= last.until_at:
                ours[-1] = _both(last, each)
            elif last is not None and each.is_empty and _says_nothing_more(last):
                ours[-1] = each
            else:
                ours.append(each)
        found += ours
    return found


def _says_nothing_more(last: Range) -> bool:
    """Return whether a later range without length may take the place of this one."""
    return last.is_empty and last.cause != GapCause.NOT_DISCOVERED


def _both(one: Range, other: Range) -> Range:
    last = max(one, other, key=lambda each: (each.until_at, each.released_seq))
    return last._replace(from_at=min(one.from_at, other.from_at), known_at=_known_at(one, other))


def _known_at(one: Range, other: Range) -> datetime:
    """Return the latest time at which a part came late, or the beginning of both."""
    late = [each.known_at for each in (one, other) if each.known_at != each.from_at]
    return max(late, default=min(one.from_at, other.from_at))


def _by_token(ranges: Iterable[Range]) -> Iterable[tuple[int, list[Range]]]:
    ordered = sorted(ranges, key=lambda each: (each.asset_key, each.from_at, each.until_at))
    for asset_key, some in groupby(ordered, key=lambda each: each.asset_key):
        yield asset_key, list(some)


def _place(each: Range) -> tuple[Any, ...]:
    return each.asset_key, each.from_at
